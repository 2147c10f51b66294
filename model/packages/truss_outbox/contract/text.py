"""Text that somebody else chose, where a person reads it."""


def printable(text: str, *, keep: str = "") -> str:
    """`text` with everything escaped that a terminal or a log's reader might act on.

    That is what Unicode does not call printable: control characters, line ends, directions of
    writing, half surrogate pairs. Characters in `keep` stay.
    """
    others = text
    for one in keep:
        others = others.replace(one, "")
    if others.isprintable():  # a hundred times sooner than character by character
        return text
    return "".join(
        one if one.isprintable() or one in keep else one.encode("unicode_escape").decode()
        for one in text
    )

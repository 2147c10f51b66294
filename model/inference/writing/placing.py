"""How a page's upright view lies on what a PDF stores: matrices, as content streams have them."""

from collections.abc import Callable

Place = tuple[float, float]
"""Right and down, as parts of a width and a height: (0, 0) is the upper left corner."""

Matrix = tuple[float, float, float, float, float, float]

_ORIENTED: dict[int, Callable[[float, float], Place]] = {
    1: lambda a, b: (a, b),
    2: lambda a, b: (1 - a, b),
    3: lambda a, b: (1 - a, 1 - b),
    4: lambda a, b: (a, 1 - b),
    5: lambda a, b: (b, a),
    6: lambda a, b: (1 - b, a),
    7: lambda a, b: (1 - b, 1 - a),
    8: lambda a, b: (b, 1 - a),
}
"""Where a place of the stored picture is seen, by EXIF's Orientation."""

_TURNED = {0: _ORIENTED[1], 90: _ORIENTED[6], 180: _ORIENTED[3], 270: _ORIENTED[8]}
"""Where a place is seen once the page is turned clockwise by so many degrees."""


def picture_matrix(size: tuple[float, float], *, orientation: int, rotation: int) -> Matrix:
    """Draws a picture, which lies in a square of side 1, on the upright page of `size`."""
    width, height = size

    def seen(x: float, y: float) -> Place:
        right, down = _TURNED[rotation](*_ORIENTED.get(orientation, _ORIENTED[1])(x, 1 - y))
        return right * width, (1 - down) * height

    return _matrix(seen, 1, 1)


def view_matrix(
    view: tuple[float, float], box: tuple[float, float, float, float], *, rotation: int
) -> Matrix:
    """From points of the upright view, whose size is `view`, to those of a page that shows `box`
    (left, bottom, right, top) turned clockwise by `rotation`."""
    left, bottom, right, top = box

    def stored(x: float, y: float) -> Place:
        # To turn back is to turn by what is left to a whole turn.
        across, down = _TURNED[-rotation % 360](x / view[0], 1 - y / view[1])
        return left + across * (right - left), top - down * (top - bottom)

    return _matrix(stored, *view)


def _matrix(mapped: Callable[[float, float], Place], width: float, height: float) -> Matrix:
    (x, y), (across_x, across_y), (up_x, up_y) = mapped(0, 0), mapped(width, 0), mapped(0, height)
    return (
        (across_x - x) / width,
        (across_y - y) / width,
        (up_x - x) / height,
        (up_y - y) / height,
        x,
        y,
    )

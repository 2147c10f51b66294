"""The object that lists a result's artifacts, as a reader takes it who sees a line at a time."""

import pytest

from truss_outbox.contract.errors import ManifestError
from truss_outbox.contract.listing import line_of, read_listing
from truss_outbox.contract.manifest import Artifact, ArtifactListing


def artifact(name, size=1):
    return Artifact(
        name=name, uri=f"memory:///{name}", size=size, content_type="text/plain", sha256="0" * 64
    )


def read(names, *, count=None, size=None, extra=b""):
    lines = [*map(line_of, map(artifact, names)), *([extra] if extra else [])]
    count = len(names) if count is None else count
    listing = ArtifactListing(
        **dict(artifact("listing")),
        artifact_count=count,
        artifact_bytes=count if size is None else size,
    )
    return [one.name for one in read_listing(lines, listing)]


def test_names_come_in_their_order_with_folders_before_what_only_begins_alike():
    names = ["a/b", "a/C", "a-b", "a.b/c", "ab", "B"]
    assert read(names) == names


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["a", "../b"], "line 2 of artifacts~.jsonl: '../b' cannot be an artifact's name"),
        (["a", "manifest.json"], "cannot be an artifact's name"),
        (["a", "artifacts~.jsonl"], "cannot be an artifact's name"),
        (["a.txt", "A.TXT"], "line 2 of artifacts~.jsonl: artifacts 'a.txt' and 'A.TXT'"),
        (["a", "a/b"], "'a' is the folder of 'a/b'"),
        # Of names that are not in order, two that clash need not be neighbours.
        (["a", "b", "a/c"], "line 3 of artifacts~.jsonl: it is not in the order of names"),
        (["b", "a"], "not in the order"),
    ],
)
def test_names_that_a_reader_refuses_are_refused_in_a_listing_too(names, said):
    with pytest.raises(ManifestError) as caught:
        read(names)
    assert said in str(caught.value)


@pytest.mark.parametrize("line", [b"{\n", b"\n", b"[]\n", b'{"name": "xylophone"}\n', b"\xff\n"])
def test_a_line_that_is_no_artifact_is_named_and_not_quoted(line):
    with pytest.raises(ManifestError, match=r"line 2 of artifacts~\.jsonl: is no artifact\Z"):
        read(["a"], extra=line)


@pytest.mark.parametrize("changes", [{"count": 1}, {"count": 3}, {"size": 1}])
def test_a_listing_of_other_artifacts_than_its_manifest_says_is_refused(changes):
    with pytest.raises(ManifestError, match="other artifacts than its manifest says"):
        read(["a", "b"], **changes)


def test_what_a_later_version_says_of_an_artifact_is_kept():
    line = line_of(artifact("a")).replace(b"{", b'{"width":3,', 1)
    listing = ArtifactListing(**dict(artifact("x")), artifact_count=1, artifact_bytes=1)
    (one,) = read_listing([line], listing)
    assert one.model_extra == {"width": 3}

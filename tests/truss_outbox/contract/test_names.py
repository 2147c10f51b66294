"""What artifacts may be called."""

import pytest

from truss_outbox.contract.names import check_artifact_names


@pytest.mark.parametrize(
    "name", ["text.txt", "pages/page-0001.png", "_a", "a-b.c", "console.log", "aux-1.txt"]
)
def test_relative_paths_are_artifact_names(name):
    check_artifact_names([name])


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../a", "a/../b", "/a", "a/", "a//b", ".a", "a/.b", "a\\b", "a\n", "é", "-a",
     "a b", "manifest.json", "Manifest.JSON", "x" * 101, "CON", "pages/NUL", "aux.txt",
     "com1.x.y", "a./b", "a."],
)  # fmt: skip
def test_other_paths_are_not(name):
    with pytest.raises(ValueError, match="cannot be an artifact's name"):
        check_artifact_names([name])


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["text.txt", "Text.TXT"], "the name is taken"),
        (["a", "a/b"], "'a' is the folder of 'a/b'"),
        (["A/b/c", "a"], "'a' is the folder of 'A/b/c'"),
        (["x/y", "x/y/z/w"], "is the folder of"),
    ],
)
def test_names_that_a_disk_would_mix_up_are_refused_as_a_set(names, problem):
    with pytest.raises(ValueError, match=problem):
        check_artifact_names(names)


def test_names_that_only_begin_alike_are_apart():
    check_artifact_names(["a", "ab", "a.b/c", "pages/1.png", "pages/10.png"])


def test_a_hundred_thousand_names_are_judged_as_one_set():
    names = [f"pages-{number // 100}/Page.{number}" for number in range(100_000)]
    check_artifact_names(names)
    with pytest.raises(
        ValueError, match=r"'pages-7/Page\.777' and 'Pages-7/page\.777': the name is"
    ):
        check_artifact_names([*names, "Pages-7/page.777"])
    with pytest.raises(ValueError, match=r"'pages-9/Page\.999' is the folder of"):
        check_artifact_names([*names, "PAGES-9/page.999/x"])

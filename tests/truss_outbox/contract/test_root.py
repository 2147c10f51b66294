"""Roots: one parser for every side."""

import urllib.request

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.root import Root


@pytest.mark.parametrize(
    ("text", "bucket", "prefix", "address"),
    [
        ("s3://scans", "scans", "", "s3://scans"),
        ("s3://scans/", "scans", "", "s3://scans"),
        ("S3://scans/a/b//", "scans", "a/b", "s3://scans/a/b"),
        ("gs://scans.example.com/a", "scans.example.com", "a", "gs://scans.example.com/a"),
        ("s3://scans/a%20b", "scans", "a%20b", "s3://scans/a%20b"),
        ("file:///my%20results/", "", "my results", "file:///my%20results"),
        ("file:///50%25%3F", "", "50%?", "file:///50%25%3F"),
        ("memory://tests", "tests", "", "memory://tests"),
    ],
)
def test_a_root_is_a_bucket_and_a_prefix(text, bucket, prefix, address):
    root = Root.parse(text)
    assert (root.bucket, root.prefix, str(root)) == (bucket, prefix, address)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must be s3://"),
        ("scans/a", "must be s3://"),
        ("ftp://scans", "must be s3://"),
        ("s3:/scans", "must be s3://"),
        ("s3://", "names no bucket"),
        ("s3:///a", "names no bucket"),
        ("s3://user@scans/a", "a bucket's name"),
        ("s3://scans:9000/a", "a bucket's name"),
        ("s3://b/a/../c", "segment"),
        ("gs://b/a//c", "segment"),
        ("s3://b//a", "segment"),
        ("file:///a/./b", "segment"),
        ("s3://b/a?c", "no \\?"),
        ("s3://b/a#c", "no \\?"),
        ("s3://b/a\n", "unprintable"),
        ("s3://b\\a", "backslash"),
        ("s3://b/" + "x" * 101, "longer than 100"),
        ("s3://b/" + "é" * 51, "longer than 100"),
        ("file://host/path", "file:///"),
        ("file://", "file:///"),
        ("file:///a%00b", "printable"),
        ("file:///a%FFb", "printable"),
        ("file:///a/%2E%2E/b", "segment"),
    ],
)
def test_what_is_no_root_is_refused_with_the_setting_and_the_remedy(text, problem):
    with pytest.raises(ConfigurationError, match=problem) as caught:
        Root.parse(text, setting="input_roots")
    assert caught.value.setting == "input_roots"


@given(st.sampled_from(["s3://", "gs://", "file:///", "", "s3://b/"]), st.text(max_size=60))
def test_any_text_is_parsed_the_same_again_or_refused(scheme, rest):
    try:
        root = Root.parse(scheme + rest)
    except ConfigurationError:
        return
    assert Root.parse(str(root)) == root


@pytest.mark.parametrize(
    "name",
    ["50%", "a%2Fb", "a#b", "a?b", "with spaces", "結果", "ü", "a;b", "a=b,c+d@e", "~'()!$&*"],
)
def test_what_a_directory_stores_is_found_by_its_uri(tmp_path, name):
    """By every program that opens URLs, and by the parser of roots."""
    directory = tmp_path / name
    root = Root.of_directory(directory)
    assert Root.parse(str(root)).directory == directory
    key = f"artifacts/job=x%2Fy/%E3%81%82/{name}"
    (directory / key).parent.mkdir(parents=True)
    (directory / key).write_bytes(b"here")
    with urllib.request.urlopen(root.uri(key)) as opened:
        assert opened.read() == b"here"
    assert Root.parse(root.uri(key)).directory == directory / key


def test_the_uri_of_an_object_in_a_bucket_has_its_name_as_it_is():
    assert Root.parse("s3://b/p").uri("artifacts/x%2Fy/a b") == "s3://b/p/artifacts/x%2Fy/a b"

"""Addresses that a request may not make this model fetch: none of them is."""

import pytest

from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.serving.files.addresses import Target, is_public, parse_hosts, parse_target
from truss_outbox.serving.files.download import Downloader

HOSTS = ("good.example", "*.cdn.example")

HOSTILE = [
    # Not https.
    "http://good.example/a", "ftp://good.example/a", "file:///etc/passwd", "//good.example/a",
    "gopher://good.example/", "data:text/plain,a", "javascript:alert(1)", "https:good.example/a",
    "https:/good.example/a", "https:///good.example/a", "good.example/a", "", "https://",
    "s3://bucket/key", "jar:https://good.example/a!/b", "url:https://good.example/a",
    # Another host behind a user name, a port, or what some programs take for a separator.
    "https://good.example@evil.example/", "https://user:word@good.example/",
    "https://good.example:443@evil.example/", "https://@good.example/", "https://:@good.example/",
    "https://evil.example\\@good.example/", "https://good.example\\.evil.example/",
    "https://evil.example#@good.example/", "https://good.example/a#b",
    "https://evil.example;good.example/",
    "https://good.example:80/", "https://good.example:22/", "https://good.example:/",
    "https://good.example:0443/", "https://good.example:443:443/", "https://good.example:+443/",
    "https://good.example:65979/",
    # An IP address in whatever notation.
    "https://127.0.0.1/", "https://2130706433/", "https://0x7f000001/", "https://0x7f.0.0.1/",
    "https://0177.0.0.1/", "https://017700000001/", "https://127.1/", "https://127.0.1/",
    "https://0/", "https://127.0.0.1./", "https://169.254.169.254/latest/meta-data/",
    "https://10.0.0.1/", "https://8.8.8.8/", "https://127.0.0.0x1/", "https://1.0x7f/",
    "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/",
    "https://[fe80::1%25eth0]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/",
    "https://[fd00:ec2::254]/", "https://[v1.a]/",
    # A host that is not on the list, or only looks like one that is.
    "https://evil.example/", "https://good.example.evil.example/", "https://notgood.example/",
    "https://xgood.example/", "https://a.good.example/", "https://cdn.example/",
    "https://a.b.example/",
    "https://good.example./", "https://good..example/", "https://.good.example/",
    "https://localhost/", "https://localhost.localdomain/", "https://metadata.google.internal/",
    "https://gооd.example/", "https://good。example/", "https://ｇood.example/",
    "https://xn--god-5na.example/", "https://good.example／a/", "https://ſgood.example/",
    "https://-.cdn.example/", "https://a-.cdn.example/", "https://*.cdn.example/",
    f"https://{'a' * 64}.cdn.example/", f"https://{'a.' * 130}cdn.example/",
    "https://good%2eexample/", "https://good.exampl%65/", "https://%67ood.example/",
    "https://good.example%00.evil.example/", "https://good.example%2f@evil.example/",
    # White space, control characters, line ends.
    " https://good.example/", "https://good.example/ ", "https://good.example /",
    "https://good.example/a b",
    "https://good.example/\r\nHost: evil.example", "https://good.example\r\n.evil.example/",
    "https://good.example/\n", "https://good.example/a\tb", "ht\ntps://good.example/",
    "https://good.example/\x00", "https://good.example/\x7f", "https://good.example/ä",
    "https://good.example/%", "https://good.example/%zz", "https://good.example/?a=\r\n\r\nGET /",
    "https://good.example/a|b", "https://good.example/<a>", 'https://good.example/"',
    "https://good.example/{a}",
]  # fmt: skip


def refusing_to_connect(address, timeout_seconds):
    raise AssertionError("nothing may be fetched")


def refusing_to_resolve(host):
    raise AssertionError("not even its name may be looked up")


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_address_is_refused_before_anything_is_sent(url, tmp_path):
    downloader = Downloader(hosts=HOSTS, resolve=refusing_to_resolve, connect=refusing_to_connect)
    with pytest.raises(InvalidInputError, match=r"^url: ") as caught:
        downloader.download(url, tmp_path / "document", max_bytes=1000)
    assert not (tmp_path / "document").exists()
    assert "evil" not in str(caught.value)


def test_the_table_is_as_long_as_it_should_be():
    assert len(set(HOSTILE)) == len(HOSTILE) > 40


PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255",
    "192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200",
    "168.63.129.16", "192.0.0.8", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1",
    "192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:8.8.8.8",
    "::ffff:0:127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "2002:7f00:1::", "2002:a9fe:a9fe::", "2002:808:808::1", "2001:0:7f00:1::", "2001:db8::1",
    "3fff::1", "2001:2::1", "5f00::1", "100::1", "fe80::1", "fe80::1%eth0", "fc00::1",
    "fd00:ec2::254",
    "fec0::1", "ff02::1", "ff0e::1", "2606:4700::1111%eth0", "", "good.example", "2130706433",
    "0x7f.1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_means_a_private_address_is_not_connected_to(address, tmp_path):
    downloader = Downloader(hosts=HOSTS, resolve=lambda _: [address], connect=refusing_to_connect)
    with pytest.raises(InvalidInputError, match="not a public one"):
        downloader.download("https://good.example/a", tmp_path / "document", max_bytes=1000)


def test_one_private_address_among_public_ones_is_enough_to_refuse(tmp_path):
    downloader = Downloader(
        hosts=HOSTS, resolve=lambda _: ["8.8.8.8", "10.0.0.1"], connect=refusing_to_connect
    )
    with pytest.raises(InvalidInputError, match="not a public one"):
        downloader.download("https://good.example/a", tmp_path / "document", max_bytes=1000)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450::1", "64:ff9b::8.8.8.8"],
)
def test_a_public_address_is_one(address):
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        ("https://good.example", "good.example", "/"),
        ("HTTPS://Good.EXAMPLE:443/A?b=C%2f", "good.example", "/A?b=C%2f"),
        ("https://good.example?a=b", "good.example", "/?a=b"),
        ("https://good.example/@x:80//..?u=https://evil/", "good.example", "/@x:80//..?u=https://evil/"),
        ("https://a.b-1.cdn.example/x", "a.b-1.cdn.example", "/x"),
        ("https://under_score.cdn.example/x", "under_score.cdn.example", "/x"),
    ],
)  # fmt: skip
def test_a_plain_address_is_sent_as_it_is(url, host, path):
    assert parse_target(url, hosts=HOSTS) == Target(host=host, path=path)


def test_hosts_are_a_list_or_text_with_commas():
    assert parse_hosts("a.example, *.b.example") == ("a.example", "*.b.example")
    assert parse_hosts(["a.example"]) == ("a.example",)
    assert parse_hosts("") == ()


@pytest.mark.parametrize(
    "pattern",
    ["*", "*.*", "a", "127.0.0.1", "https://a.example", "A.example", "a.*.example", "*a.example",
     "*.example:443", "ä.example"],
)  # fmt: skip
def test_a_pattern_that_means_more_or_less_than_a_host_is_refused(pattern):
    with pytest.raises(ValueError, match="write host names"):
        parse_hosts([pattern])


def test_addresses_are_off_unless_hosts_are_named(tmp_path):
    downloader = Downloader(resolve=refusing_to_resolve, connect=refusing_to_connect)
    with pytest.raises(InvalidInputError, match="url_hosts is not set"):
        downloader.download("https://good.example/a", tmp_path / "document", max_bytes=1000)

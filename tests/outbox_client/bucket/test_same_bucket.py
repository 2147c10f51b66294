"""Reader and writer see the same bucket: what either sends, behind a proxy that is every host."""

import json
import os
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import botocore
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from outbox_client.bucket import route as routes
from outbox_client.bucket.open_bucket import Connection, open_bucket
from outbox_client.bucket.route import s3_route
from outbox_client.upkeep.presign import signer
from outbox_client.upkeep.uploads import open_uploads
from tests.every_host import Arrived, EveryHost, every_host
from truss_outbox.contract.errors import ConfigurationError, StoreError, StoreUnavailableError
from truss_outbox.stores import GcsOptions, S3Options, open_store

KEY = "manifests/job=j/x%20y.json"
NOW, HOUR = datetime.now(UTC), timedelta(hours=1)
IN_A_URL = "manifests/job%3Dj/x%2520y.json"


@dataclass(frozen=True, kw_only=True)
class Case:
    """`address` is the bucket's; `environment` and `profile` (its default's lines) say where."""

    address: str
    region: str
    bucket: str = "bucket"
    key_id: str = "KEYID"
    connection: Connection = field(default_factory=Connection)
    environment: dict[str, str] = field(default_factory=dict)
    profile: str = ""


def case(name: str, address: str, region: str = "eu-west-1", **more: Any) -> Any:
    return pytest.param(Case(address=address, region=region, **more), id=name)


EU = {"AWS_DEFAULT_REGION": "eu-west-1"}
HERE = "https://bucket.s3.eu-west-1.amazonaws.com"
OWN = "https://s3.example.com"
FIPS = {"AWS_USE_FIPS_ENDPOINT": "true"}
DUALSTACK = {"AWS_USE_DUALSTACK_ENDPOINT": "true"}
SERVICES = "services = own\n[services own]\ns3 =\n  endpoint_url = https://s3.example.com/base"
OTHER_PROFILE = """
[profile other]
region = ap-south-1
aws_access_key_id = OTHERS
aws_secret_access_key = secret
"""


def s3_section(*lines: str) -> str:
    return "s3 =\n" + "".join(f"  {line}\n" for line in lines)


CASES = [
    # Regions and partitions.
    case("region as a setting", HERE, connection={"region": "eu-west-1"}),
    case("region by the environment", HERE, environment=EU),
    case("region in the profile", HERE, profile="region = eu-west-1"),
    case(
        "a setting goes before the environment",
        "https://bucket.s3.eu-central-1.amazonaws.com",
        "eu-central-1",
        connection={"region": "eu-central-1"},
        environment=EU,
    ),
    case(
        "a variable that botocore does not read",
        "https://bucket.s3.amazonaws.com",
        "us-east-1",
        environment={"AWS_REGION": "eu-west-1"},
    ),
    case("no region", "https://bucket.s3.amazonaws.com", "us-east-1"),
    case(
        "us-east-1",
        "https://bucket.s3.amazonaws.com",
        "us-east-1",
        connection={"region": "us-east-1"},
    ),
    case(
        "us-east-1 by its regional name",
        "https://bucket.s3.us-east-1.amazonaws.com",
        "us-east-1",
        connection={"region": "us-east-1"},
        profile=s3_section("us_east_1_regional_endpoint = regional"),
    ),
    case(
        "aws-global",
        "https://bucket.s3.amazonaws.com",
        "us-east-1",
        connection={"region": "aws-global"},
    ),
    case(
        "China",
        "https://bucket.s3.cn-north-1.amazonaws.com.cn",
        "cn-north-1",
        connection={"region": "cn-north-1"},
    ),
    case(
        "China, a bucket with a dot",
        "https://s3.cn-northwest-1.amazonaws.com.cn/a.bucket",
        "cn-northwest-1",
        bucket="a.bucket",
        environment={"AWS_DEFAULT_REGION": "cn-northwest-1"},
    ),
    case(
        "GovCloud",
        "https://bucket.s3.us-gov-west-1.amazonaws.com",
        "us-gov-west-1",
        connection={"region": "us-gov-west-1"},
    ),
    case(
        "a closed partition",
        "https://bucket.s3.us-iso-east-1.c2s.ic.gov",
        "us-iso-east-1",
        connection={"region": "us-iso-east-1"},
    ),
    case(
        "the European partition",
        "https://bucket.s3.eusc-de-east-1.amazonaws.eu",
        "eusc-de-east-1",
        connection={"region": "eusc-de-east-1"},
    ),
    # Names.
    case(
        "a bucket with dots",
        "https://s3.eu-west-1.amazonaws.com/a.dotted.bucket",
        bucket="a.dotted.bucket",
        environment=EU,
    ),
    case(
        "an upper-case bucket",
        "https://s3.amazonaws.com/My-Bucket",
        "us-east-1",
        bucket="My-Bucket",
    ),
    case(
        "an underscore",
        "https://s3.eu-west-1.amazonaws.com/a_bucket",
        bucket="a_bucket",
        environment=EU,
    ),
    case(
        "an access point's alias",
        "https://point-abcdef0123-s3alias.s3.eu-west-1.amazonaws.com",
        bucket="point-abcdef0123-s3alias",
        environment=EU,
    ),
    # Variants of the service.
    case(
        "FIPS by the environment",
        "https://bucket.s3-fips.us-west-2.amazonaws.com",
        "us-west-2",
        environment={**FIPS, "AWS_DEFAULT_REGION": "us-west-2"},
    ),
    case(
        "FIPS in the profile",
        "https://bucket.s3-fips.us-west-2.amazonaws.com",
        "us-west-2",
        profile="use_fips_endpoint = true\nregion = us-west-2",
    ),
    case(
        "FIPS in GovCloud",
        "https://bucket.s3-fips.us-gov-east-1.amazonaws.com",
        "us-gov-east-1",
        connection={"region": "us-gov-east-1"},
        environment=FIPS,
    ),
    case(
        "dual stack by the environment",
        "https://bucket.s3.dualstack.eu-west-1.amazonaws.com",
        environment={**EU, **DUALSTACK},
    ),
    case(
        "dual stack in the profile",
        "https://bucket.s3.dualstack.eu-west-1.amazonaws.com",
        profile="region = eu-west-1\n" + s3_section("use_dualstack_endpoint = true"),
    ),
    case(
        "dual stack, a bucket with a dot",
        "https://s3.dualstack.eu-west-1.amazonaws.com/a.bucket",
        bucket="a.bucket",
        environment={**EU, **DUALSTACK},
    ),
    case(
        "dual stack in China",
        "https://bucket.s3.dualstack.cn-north-1.amazonaws.com.cn",
        "cn-north-1",
        connection={"region": "cn-north-1"},
        environment=DUALSTACK,
    ),
    case(
        "FIPS and dual stack",
        "https://bucket.s3-fips.dualstack.us-west-2.amazonaws.com",
        "us-west-2",
        connection={"region": "us-west-2"},
        environment={**FIPS, **DUALSTACK},
    ),
    case(
        "accelerated",
        "https://bucket.s3-accelerate.amazonaws.com",
        environment=EU,
        profile=s3_section("use_accelerate_endpoint = true"),
    ),
    case(
        "accelerated, dual stack",
        "https://bucket.s3-accelerate.dualstack.amazonaws.com",
        environment={**EU, **DUALSTACK},
        profile=s3_section("use_accelerate_endpoint = true"),
    ),
    # Addressing.
    case(
        "path as a setting",
        "https://s3.eu-west-1.amazonaws.com/bucket",
        connection={"s3_addressing_style": "path"},
        environment=EU,
    ),
    case(
        "path in the profile",
        "https://s3.eu-west-1.amazonaws.com/bucket",
        environment=EU,
        profile=s3_section("addressing_style = path"),
    ),
    case(
        "virtual as a setting",
        "https://bucket.s3.example.com",
        connection={"s3_addressing_style": "virtual", "endpoint_url": OWN, "region": "eu-west-1"},
    ),
    case(
        "a setting goes before the profile",
        HERE,
        connection={"s3_addressing_style": "auto"},
        environment=EU,
        profile=s3_section("addressing_style = path"),
    ),
    # Servers of one's own.
    case("endpoint as a setting", f"{OWN}/bucket", "us-east-1", connection={"endpoint_url": OWN}),
    case(
        "with a port and a path",
        f"{OWN}:9443/base/bucket",
        "us-east-1",
        connection={"endpoint_url": f"{OWN}:9443/base"},
    ),
    case(
        "by http",
        "http://s3.example.com:9000/bucket",
        "us-east-1",
        connection={"endpoint_url": "http://s3.example.com:9000"},
    ),
    case(
        "by its number",
        "https://192.0.2.7:9443/bucket",
        "us-east-1",
        connection={"endpoint_url": "https://192.0.2.7:9443"},
    ),
    case(
        "AWS_ENDPOINT_URL",
        f"{OWN}/outbox",
        bucket="outbox",
        environment={**EU, "AWS_ENDPOINT_URL": OWN},
    ),
    case(
        "AWS_ENDPOINT_URL with a path",
        f"{OWN}/base/bucket",
        environment={**EU, "AWS_ENDPOINT_URL": f"{OWN}/base"},
    ),
    case(
        "AWS_ENDPOINT_URL by http",
        "http://s3.example.com/bucket",
        environment={**EU, "AWS_ENDPOINT_URL": "http://s3.example.com"},
    ),
    case(
        "AWS_ENDPOINT_URL_S3, an upper-case bucket",
        f"{OWN}/My.Bucket",
        bucket="My.Bucket",
        environment={**EU, "AWS_ENDPOINT_URL_S3": OWN},
    ),
    case(
        "AWS_ENDPOINT_URL_S3 goes before AWS_ENDPOINT_URL",
        f"{OWN}/bucket",
        environment={
            **EU,
            "AWS_ENDPOINT_URL_S3": OWN,
            "AWS_ENDPOINT_URL": "https://other.example.com",
        },
    ),
    case(
        "a setting goes before AWS_ENDPOINT_URL_S3",
        f"{OWN}/bucket",
        "us-east-1",
        connection={"endpoint_url": OWN},
        environment={"AWS_ENDPOINT_URL_S3": "https://other.example.com"},
    ),
    case(
        "AWS_ENDPOINT_URL that is to be ignored",
        HERE,
        environment={**EU, "AWS_ENDPOINT_URL": OWN, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    ),
    case(
        "endpoint in the profile", f"{OWN}/bucket", environment=EU, profile=f"endpoint_url = {OWN}"
    ),
    case("services in the profile", f"{OWN}/base/bucket", environment=EU, profile=SERVICES),
    # Who asks.
    case(
        "a profile with a region and keys",
        "https://bucket.s3.ap-south-1.amazonaws.com",
        "ap-south-1",
        key_id="OTHERS",
        environment={"AWS_PROFILE": "other", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
        profile=OTHER_PROFILE,
    ),
    case(
        "a profile's region with the environment's keys",
        "https://bucket.s3.ap-south-1.amazonaws.com",
        "ap-south-1",
        environment={"AWS_PROFILE": "other"},
        profile=OTHER_PROFILE,
    ),
    case(
        "keys of a program",
        HERE,
        key_id="PROCESSED",
        environment={**EU, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
        profile="credential_process = echo '"
        '{"Version": 1, "AccessKeyId": "PROCESSED", "SecretAccessKey": "s", "SessionToken": "t"}'
        "'",
    ),
    case("a session", HERE, environment={**EU, "AWS_SESSION_TOKEN": "session"}),
    # What obstore would take from the environment, and botocore does not.
    case(
        "obstore's own variables",
        HERE,
        environment={
            **EU,
            "AWS_ALLOW_HTTP": "true",
            "AWS_BUCKET": "another",
            "AWS_CHECKSUM_ALGORITHM": "SHA256",
            "AWS_ENDPOINT": "https://other.example.com",
            "AWS_REQUEST_PAYER": "true",
            "AWS_S3_EXPRESS": "true",
            "AWS_SERVER_SIDE_ENCRYPTION": "aws:kms",
            "AWS_SKIP_SIGNATURE": "true",
            "AWS_UNSIGNED_PAYLOAD": "true",
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
        },
    ),
]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(str(tmp_path / "trusted.pem"))
    return str(tmp_path / "trusted.pem")


@pytest.fixture
def hosts(authority: trustme.CA, trusted: str, tmp_path: Path, monkeypatch) -> Iterator[EveryHost]:
    """The environment knows the proxy, its authority and a key pair, and nothing else."""
    for name in os.environ:
        if name.startswith(("AWS_", "GOOGLE_", "SSL_")) or "PROXY" in name.upper():
            monkeypatch.delenv(name)
    with every_host(authority) as hosts:
        known = {
            "AWS_ACCESS_KEY_ID": "KEYID",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CA_BUNDLE": trusted,
            "HTTPS_PROXY": hosts.url,
            "HTTP_PROXY": hosts.url,
            "REQUESTS_CA_BUNDLE": trusted,
        }
        for name, value in known.items():
            monkeypatch.setenv(name, value)
        yield hosts


def set_environment(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def set_profile(tmp_path: Path, lines: str) -> None:
    (tmp_path / "config").write_text(f"[default]\n{textwrap.dedent(lines)}\n")


def both(
    hosts: EveryHost, bucket: str = "bucket", connection: Connection | None = None
) -> tuple[Arrived, Arrived]:
    """What arrives of the writer's GET and of the reader's."""
    connection = connection or {}
    root = f"s3://{bucket}/in"
    open_store(root, s3=S3Options(**connection)).get(KEY)
    open_bucket(root, **connection).get(KEY)
    writer, reader = hosts.arrived
    return writer, reader


@pytest.mark.parametrize("case", CASES)
def test_reader_and_writer_go_to_the_same_place_as_the_same_one(case, hosts, tmp_path, monkeypatch):
    set_profile(tmp_path, case.profile)
    set_environment(monkeypatch, case.environment)

    writer, reader = both(hosts, case.bucket, case.connection)

    assert whole_url(writer) == f"{case.address}/in/{IN_A_URL}"
    assert writer.scope == (case.key_id, case.region, "s3")
    for what in ("tunnel", "server_name", "method", "url", "scope"):
        assert getattr(reader, what) == getattr(writer, what), what
    for header in ("host", "x-amz-security-token", "x-amz-request-payer"):
        assert reader.headers.get(header) == writer.headers.get(header), header


@pytest.mark.parametrize("case", CASES)
def test_many_are_listed_where_few_are(case, hosts, tmp_path, monkeypatch):
    set_profile(tmp_path, case.profile)
    set_environment(monkeypatch, case.environment)
    check_bulk(hosts, f"s3://{case.bucket}/in", case.connection)


def check_bulk(hosts: EveryHost, root: str, connection: Connection | None = None) -> None:
    """The answer is no listing: so obstore is asked as well, and says what is wrong."""
    with pytest.raises(StoreError):
        list(open_bucket(root, **(connection or {})).bulk_pages("manifests/", after="x y+ü"))
    bulk, few, *_ = hosts.arrived
    for what in ("tunnel", "proxy_authorization", "server_name", "method", "scope"):
        assert getattr(bulk, what) == getattr(few, what), what
    for header in ("host", "x-amz-security-token", "x-amz-request-payer"):
        assert bulk.headers.get(header) == few.headers.get(header), header
    address, query = whole_url(bulk).split("?")
    other, asked = whole_url(few).split("?")
    assert address.rstrip("/") == other.rstrip("/")
    assert parse_qs(query) == parse_qs(asked)


def whole_url(arrived: Arrived) -> str:
    if arrived.tunnel is None:  # by http, a proxy is asked for the whole address
        return arrived.url
    return f"https://{arrived.tunnel.removesuffix(':443')}{arrived.url}"


@pytest.mark.parametrize(
    "endpoint_url",
    [
        "https://s3.example.com/base/",
        "https://s3.example.com:443",
        "https://S3.Example.com/a%20b",
        "http://[2001:db8::1]:9000",
    ],
)
def test_an_odd_address_is_read_alike(endpoint_url, hosts):
    writer, reader = both(hosts, connection={"endpoint_url": endpoint_url})
    assert whole_url(reader) == whole_url(writer)
    assert (reader.headers["host"], reader.scope) == (writer.headers["host"], writer.scope)
    hosts.arrived.clear()
    check_bulk(hosts, "s3://bucket/in", {"endpoint_url": endpoint_url})


@pytest.mark.parametrize("prefix", ["a b+c", "ü~日本", "a=b&c,d;e", "x@y:z(1)!*'"])
def test_an_odd_prefix_is_written_alike(prefix, hosts):
    open_store(f"s3://bucket/{prefix}", s3=S3Options()).get(KEY)
    open_bucket(f"s3://bucket/{prefix}").get(KEY)
    writer, reader = hosts.arrived
    assert reader.url == writer.url
    hosts.arrived.clear()
    check_bulk(hosts, f"s3://bucket/{prefix}")


@pytest.mark.parametrize(
    "place",
    [
        {"region": "cn-north-1", "s3_addressing_style": "path"},
        {"endpoint_url": "https://s3.example.com/base"},
    ],
)
def test_every_call_goes_there(place, hosts):
    root = "s3://My.Bucket/in"
    open_store(root, s3=S3Options(**place)).create(KEY, b"{}", content_type="text/plain")
    bucket = open_bucket(root, **place)
    bucket.create_new(KEY, b"{}")
    bucket.size(KEY)
    bucket.delete(KEY)
    for call in (
        lambda: list(bucket.keys("manifests/")),
        lambda: list(open_uploads(root, **place).sweep(before=NOW, delete=False)),
    ):
        with pytest.raises(StoreError):  # of the answers none is a listing
            call()

    writer, *others = hosts.arrived
    host, _, path = whole_url(writer).removesuffix(f"/in/{IN_A_URL}").partition("/My.Bucket")
    assert path == ""
    assert {one.method for one in others} == {"PUT", "HEAD", "GET", "DELETE"}
    for one in others:
        assert whole_url(one).startswith((f"{host}/My.Bucket/", f"{host}/My.Bucket?"))
        assert one.scope == writer.scope
    assert bucket.link(KEY, life=HOUR).startswith(f"{host}/My.Bucket/in/{IN_A_URL}?")


@pytest.mark.parametrize(
    ("environment", "login"),
    [
        ({"HTTPS_PROXY": "{netloc}"}, None),
        ({"HTTPS_PROXY": "", "https_proxy": "{url}"}, None),
        ({"HTTPS_PROXY": "http://me:p%40ss@{netloc}"}, "Basic bWU6cEBzcw=="),
        ({"ALL_PROXY": "socks5://192.0.2.1:9", "NO_PROXY": "[::1],fd00::/8,.example.com"}, None),
    ],
)
def test_both_take_the_same_proxy(environment, login, hosts, monkeypatch):
    netloc = hosts.url.removeprefix("http://")
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(url=hosts.url, netloc=netloc))
    writer, reader = both(hosts)
    assert writer.tunnel == reader.tunnel == "bucket.s3.amazonaws.com:443"
    assert writer.proxy_authorization == reader.proxy_authorization == login
    hosts.arrived.clear()
    check_bulk(hosts, "s3://bucket/in")


def test_a_proxys_login_may_have_no_password(hosts, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", hosts.url.replace("://", "://me@"))
    check_bulk(hosts, "s3://bucket/in")


@pytest.mark.parametrize(
    "environment",
    [{"NO_PROXY": "127.0.0.1"}, {"HTTP_PROXY": "", "ALL_PROXY": "http://192.0.2.1:9"}],
)
def test_both_take_none(environment, hosts, monkeypatch):
    set_environment(monkeypatch, {"HTTP_PROXY": "http://192.0.2.1:9", **environment})
    writer, reader = both(hosts, connection={"endpoint_url": hosts.url})
    assert writer.url == reader.url == f"/bucket/in/{IN_A_URL}"
    hosts.arrived.clear()
    check_bulk(hosts, "s3://bucket/in", {"endpoint_url": hosts.url})


def test_a_setting_and_a_profile_name_whom_both_trust(hosts, trusted, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_CA_BUNDLE")
    both(hosts, connection={"s3_ca_bundle": Path(trusted)})
    set_profile(tmp_path, f"ca_bundle = {trusted}")
    hosts.arrived.clear()
    both(hosts)
    hosts.arrived.clear()
    check_bulk(hosts, "s3://bucket/in")


def test_neither_trusts_anybody_else(hosts, trusted, tmp_path, monkeypatch):
    """obstore would trust those of the machine, too."""
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    set_environment(
        monkeypatch,
        {
            "AWS_CA_BUNDLE": str(tmp_path / "other.pem"),
            "SSL_CERT_FILE": trusted,
            "SSL_CERT_DIR": str(tmp_path),
        },
    )
    with pytest.raises(StoreUnavailableError):
        open_store("s3://bucket", s3=S3Options()).get(KEY)
    with pytest.raises(StoreUnavailableError):
        open_bucket("s3://bucket").create_new(KEY, b"")
    with pytest.raises(StoreUnavailableError):
        list(open_bucket("s3://bucket").bulk_pages("manifests/", after=None))
    assert hosts.arrived == []
    assert os.environ["SSL_CERT_FILE"] == trusted  # as it was


def test_a_certificate_file_that_is_missing_is_named_on_both_sides(hosts, tmp_path, monkeypatch):
    set_environment(monkeypatch, {"AWS_CA_BUNDLE": str(tmp_path / "none.pem")})
    for opening in (
        lambda: open_store("s3://bucket", s3=S3Options()),
        lambda: open_bucket("s3://bucket"),
    ):
        with pytest.raises(ConfigurationError, match=r"AWS_CA_BUNDLE .*no such file"):
            opening()


def test_a_missing_file_of_other_programs_changes_nothing(hosts, tmp_path, monkeypatch):
    set_environment(monkeypatch, {"SSL_CERT_FILE": str(tmp_path / "none")})
    both(hosts)


CLIENTS = ("truss_outbox.stores.gcs.client", "truss_outbox.stores.s3.client")


@pytest.mark.parametrize(
    ("root", "module", "package"),
    [
        ("s3://bucket", "botocore.exceptions", "boto3"),
        ("gs://bucket", "google.auth", "google-cloud-storage"),
    ],
)
def test_a_missing_library_says_what_to_install(root, module, package, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    for name in [name for name in sys.modules if name.startswith(CLIENTS)]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ConfigurationError, match=f"pip install {package}"):
        open_bucket(root)


PAIR = {"AWS_ACCESS_KEY_ID": "KEY", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture
def plain_home(tmp_path, monkeypatch):
    """Of somebody without profiles, who has a pair of keys."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "REQUESTS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    set_environment(monkeypatch, PAIR)
    return tmp_path


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9000", "http://minio/", "http://a.b-c.test:8080"]
)
@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AWS_SESSION_TOKEN": "token"},
        {"AWS_DEFAULT_REGION": "eu-west-1"},
        {"AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"},
        {"AWS_CA_BUNDLE": str(Path(botocore.__file__).with_name("cacert.pem"))},
    ],
)
def test_what_is_plain_is_resolved_as_the_sdk_does_it(url, environment, plain_home, monkeypatch):
    set_environment(monkeypatch, environment)
    options = S3Options(endpoint_url=url)
    plain = routes._plain_s3_route("bucket", options, os.environ)
    resolved = routes._resolved_s3_route("bucket", options)
    for what in ("url", "region", "proxy_url"):
        assert getattr(plain, what) == getattr(resolved, what)
    assert plain.place.setting == resolved.place.setting
    assert plain.place.url.rstrip("/") == resolved.place.url.rstrip("/")
    forever = {"expires_at": None}
    assert plain.credentials() == resolved.credentials() | forever
    assert plain.connect().meta.endpoint_url == resolved.connect().meta.endpoint_url


NOT_PLAIN = {
    "no endpoint": ({"endpoint_url": None}, {}),
    "TLS": ({"endpoint_url": "https://127.0.0.1:9000"}, {}),
    "a path": ({"endpoint_url": "http://127.0.0.1:9000/s3"}, {}),
    "a style": ({"s3_addressing_style": "virtual"}, {}),
    "a region": ({"region": "eu-west-1"}, {}),
    "another endpoint": ({}, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9001"}),
    "a profile": ({}, {"AWS_PROFILE": "other"}),
    "FIPS": ({}, {"AWS_USE_FIPS_ENDPOINT": "true"}),
    "no key": ({}, {"AWS_ACCESS_KEY_ID": ""}),
    "half a key": ({}, {"AWS_SECRET_ACCESS_KEY": "a b"}),
    "a proxy": ({}, {"http_proxy": "http://127.0.0.1:3128"}),
    "certificates that are not there": ({}, {"AWS_CA_BUNDLE": "/none.pem"}),
    "a file of TLS keys": ({}, {"SSLKEYLOGFILE": "keys.log"}),
}


@pytest.mark.parametrize(("options", "environment"), NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_not_plain_is_for_the_sdk_to_say(options, environment, plain_home, monkeypatch):
    set_environment(monkeypatch, environment)
    some = S3Options(**{"endpoint_url": "http://127.0.0.1:9000"} | options)
    assert routes._plain_s3_route("bucket", some, os.environ) is None


@pytest.mark.parametrize("name", ["config", "credentials"])
def test_a_profile_is_for_the_sdk_to_read(name, plain_home):
    options = S3Options(endpoint_url="http://127.0.0.1:9000")
    assert routes._plain_s3_route("bucket", options, os.environ)
    (plain_home / ".aws").mkdir()
    (plain_home / ".aws" / name).touch()
    assert routes._plain_s3_route("bucket", options, os.environ) is None


def test_credentials_that_end_are_renewed(hosts, tmp_path, monkeypatch):
    """A program's: its second answer differs from the first."""
    program = tmp_path / "program.py"
    program.write_text(
        "import datetime, json, pathlib, sys\n"
        "asked = pathlib.Path(sys.argv[1])\n"
        "asked.write_text(asked.read_text() + 'I' if asked.exists() else 'I')\n"
        "ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': 'KEY-' + asked.read_text(),"
        " 'SecretAccessKey': 's', 'SessionToken': 't', 'Expiration': ends.isoformat()}))\n"
    )
    set_profile(tmp_path, f"credential_process = {sys.executable} {program} {tmp_path / 'asked'}")
    set_environment(monkeypatch, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
    route = s3_route("bucket", S3Options())
    first, second = route.credentials(), route.credentials()
    assert first["access_key_id"] < second["access_key_id"]
    assert first["expires_at"] - datetime.now(UTC) < timedelta(minutes=10)


GOOGLE = "https://storage.googleapis.com"


@pytest.fixture
def google_key(hosts: EveryHost, tmp_path: Path, monkeypatch) -> dict[str, str]:
    """A service account's, in the environment."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    info = {
        "type": "service_account",
        "client_email": "outbox@project.iam.gserviceaccount.com",
        "private_key": pem.decode(),
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    (tmp_path / "key.json").write_text(json.dumps(info))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    return info


@pytest.mark.parametrize(
    ("environment", "endpoint_url", "address"),
    [
        ({}, None, GOOGLE),
        ({}, "https://gcs.example.com:4443", "https://gcs.example.com:4443"),
        ({"STORAGE_EMULATOR_HOST": "http://gcs.example.com:4443"}, None, "http://gcs.example.com"),
        ({"STORAGE_EMULATOR_HOST": "http://other"}, GOOGLE, GOOGLE),
        ({"API_ENDPOINT_OVERRIDE": "https://gcs.example.com"}, None, "https://gcs.example.com"),
        (
            {
                "GOOGLE_BASE_URL": "https://other.example.com",
                "GOOGLE_SERVICE_ACCOUNT": "/none",
                "GOOGLE_SERVICE_ACCOUNT_KEY": "junk",
                "GOOGLE_SKIP_SIGNATURE": "true",
                "GOOGLE_BUCKET": "other",
            },
            None,
            GOOGLE,
        ),
    ],
)
def test_both_go_to_the_same_google(
    environment, endpoint_url, address, google_key, hosts, monkeypatch
):
    set_environment(monkeypatch, environment)
    writer, reader = both_at_google(hosts, endpoint_url)
    assert whole_url(writer).startswith(address)
    for what in ("tunnel", "server_name"):
        assert getattr(reader, what) == getattr(writer, what), what
    if reader.tunnel:  # an emulator is told no secret
        assert reader.scope == writer.scope == "Bearer token"
    assert writer.headers["host"] == reader.headers["host"]


def test_both_go_to_the_universe_of_the_credentials(google_key, hosts, tmp_path):
    universe = {**google_key, "universe_domain": "example.cloud"}
    (tmp_path / "key.json").write_text(json.dumps(universe))
    writer, reader = both_at_google(hosts, None)
    assert writer.tunnel == reader.tunnel == "storage.example.cloud:443"
    assert writer.scope
    assert reader.scope


def test_an_emulator_needs_no_credentials_on_either_side(hosts, monkeypatch, tmp_path):
    set_environment(
        monkeypatch, {"STORAGE_EMULATOR_HOST": hosts.url, "CLOUDSDK_CONFIG": str(tmp_path)}
    )
    monkeypatch.delenv("HTTP_PROXY")
    both_at_google(hosts, None)


@pytest.mark.parametrize("variable", ["STORAGE_EMULATOR_HOST", "API_ENDPOINT_OVERRIDE"])
def test_an_address_of_google_without_a_scheme_is_named_on_both_sides(
    variable, google_key, hosts, monkeypatch
):
    monkeypatch.setenv(variable, "localhost:4443")
    for opening in (lambda: open_store("gs://bucket"), lambda: open_bucket("gs://bucket")):
        with pytest.raises(ConfigurationError, match=f"{variable}: .*write https://"):
            opening()


@pytest.mark.parametrize(
    ("universe", "endpoint_url", "address"),
    [
        ({}, None, GOOGLE),
        ({}, "https://gcs.example.com", "https://gcs.example.com"),
        ({"universe_domain": "example.cloud"}, None, "https://storage.example.cloud"),
    ],
)
def test_links_lead_there_too(universe, endpoint_url, address, google_key, hosts, tmp_path):
    (tmp_path / "key.json").write_text(json.dumps(google_key | universe))
    bucket = open_bucket("gs://bucket/in", endpoint_url=endpoint_url)
    sign = signer(bucket, life=HOUR, now=NOW, endpoint_url=endpoint_url)
    assert sign(KEY).startswith(f"{address}/bucket/in/manifests/job%3Dj/x%2520y.json?")


def both_at_google(hosts: EveryHost, endpoint_url: str | None) -> tuple[Arrived, Arrived]:
    """Of the bucket alone: tokens are asked for elsewhere."""
    open_store("gs://bucket/in", gcs=GcsOptions(endpoint_url=endpoint_url)).get(KEY)
    open_bucket("gs://bucket/in", endpoint_url=endpoint_url).get(KEY)
    writer, reader = (one for one in hosts.arrived if one.method == "GET")
    return writer, reader

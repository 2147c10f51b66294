"""No setting is without effect: for each, where in the opened Outbox or its requests it shows."""

import ast
import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml
from fastapi import HTTPException

import truss_outbox
from model.model import Model
from tests.asking_outbox import answer
from tests.gcs_door import Door, serving
from tests.tiny_inference import Request
from tests.tiny_truss import PROJECT, ocr_is_here
from tests.truss_outbox.stores.s3.front_door import FrontDoor, Refusal, running_front_door
from truss_outbox import Outbox, Work
from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.root import Root
from truss_outbox.serving.decorator.stored import StoredModel
from truss_outbox.serving.settings import SETTINGS, OutboxSettings, read_settings
from truss_outbox.serving.settings import gcs_options as options_for_gcs
from truss_outbox.serving.settings import s3_options as options_for_s3
from truss_outbox.stores import open_store

MIB = 1 << 20
ROLE = "arn:aws:iam::1:role/writer"
S3_PATH = "https://s3.eu-west-1.amazonaws.com/b/k"
SECRETS = {"aws_access_key_id": "moto", "aws_secret_access_key": "moto"}


@dataclass
class World:
    """Opens Outboxes on buckets of every kind; the doors before them see each request."""

    s3_door: FrontDoor
    gcs_door: Door
    directory: Path
    token_file: Path

    def open(self, root: str, secrets: dict[str, str] = SECRETS, **section: Any) -> Outbox:
        config = {"model_name": "M", "model_metadata": {"outbox": {"root": root, **section}}}
        return Outbox.open(config, secrets, request_type=Request)

    def memory(self, **section: Any) -> Outbox:
        return self.open("memory://settings", **section)

    def s3(self, **section: Any) -> Any:
        """The S3Store under the one that repeats its calls."""
        place = {"endpoint_url": self.s3_door.url, "region": "us-east-1"}
        return self.open("s3://outbox/settings", **(place | section)).bucket._store

    def gcs(self, **section: Any) -> Any:
        place = {"endpoint_url": self.gcs_door.url}
        return self.open("gs://outbox/settings", **(place | section)).bucket._store

    def s3_header(self, name: str, **section: Any) -> str:
        """Of the request that puts an artifact."""
        self.put(self.s3(**section), 1)
        return self.s3_door.seen[-1].headers[name]

    def s3_parts(self, size: int, **section: Any) -> list[int]:
        """How large the parts are in which a file travels; none where it does not."""
        self.put(self.s3(**section), size)
        parts = [seen for seen in self.s3_door.seen if "partNumber=" in seen.path]
        return sorted(len(seen.body) for seen in parts)

    def put(self, store: Any, size: int) -> None:
        (self.directory / "file").write_bytes(bytes(size))
        store.put_file("artifacts/file", self.directory / "file", content_type="text/plain")

    def role(self, name: str, **section: Any) -> str:
        """What the token service is told when the role is taken."""
        self.token_file.write_text("token")
        self.s3_door.refuse = lambda _: Refusal(403, "AccessDeniedException")
        with contextlib.suppress(ConfigurationError):
            self.s3(**({"aws_role_arn": ROLE} | section))
        return parse_qs(self.s3_door.seen[0].body.decode())[name][0]

    def google(self, **section: Any) -> Any:
        """The credentials of a GCS client, for which no bucket is asked."""
        provider = {"root": "gs://b", "gcp_workload_identity_provider": "projects/p"}
        settings = read_settings({"model_metadata": {"outbox": provider | section}}, {})
        return open_store("gs://b", gcs=options_for_gcs(settings, {}))._bucket.client._credentials


@pytest.fixture
def world(moto_options, gcs_options, tmp_path, monkeypatch) -> Iterator[World]:
    with running_front_door(moto_options.endpoint_url) as s3_door:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", s3_door.url)
        monkeypatch.setenv("B10_OIDC_TOKEN_PATH", str(tmp_path / "token"))
        with serving(gcs_door := Door(gcs_options.endpoint_url)):
            yield World(s3_door, gcs_door, tmp_path, tmp_path / "token")


def address(style: str) -> str:
    """Of an object in the bucket `b`, for which no bucket is asked."""
    section = {"root": "s3://b", "region": "eu-west-1", "s3_addressing_style": style}
    settings = read_settings({"model_metadata": {"outbox": section}}, {})
    client = open_store("s3://b", s3=options_for_s3(settings, SECRETS))._client
    return client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})


def raised(opening: Callable[[], object]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        opening()
    return caught.value.setting


def began(outbox: Outbox, **model_input: Any) -> Work:
    outbox.request_type = None
    return outbox.begin(model_input, request_id="r")


def key(outbox: Outbox) -> str:
    return outbox.begin({"metadata": {"item": "I"}}).attempt.key


def asks(outbox: Outbox, model_input: Any) -> bool:
    """Whether a model that is decorated would store it."""

    class Plain:
        def predict(self, model_input):
            return model_input

    model = StoredModel(Plain(), {})
    model._outbox = outbox
    return model._asks(model_input)


def streamed(outbox: Outbox) -> list[str]:
    manifest = answer(outbox, {}, run=lambda *_: (chunk for chunk in "abc"))
    return [artifact.name for artifact in manifest.artifacts]


def timed_out(outbox: Outbox) -> int:
    released = threading.Event()
    with pytest.raises(HTTPException) as caught:
        answer(outbox, {}, run=lambda *_: released.wait(10))
    released.set()
    return caught.value.status_code


def inference_setting(world: World, value: Any) -> str:
    if not ocr_is_here():
        pytest.skip("the value is one that the OCR refuses")
    outbox = {"root": "memory://settings", "inference": value}
    model = Model({"model_metadata": {"outbox": outbox}}, {}, world.directory)
    return raised(model.load)


def unsafe_commit(world: World, value: bool) -> bool:
    world.s3_door.hidden_headers = {"Expect", "If-None-Match"}
    place = {"endpoint_url": world.s3_door.url, "region": "us-east-1"}
    return world.open("s3://outbox/unsafe", **place, allow_unsafe_commit=value).unsafe_commit


def time_limits(world: World, name: str, value: float) -> tuple[float, float]:
    """Of S3's client and of GCS's."""
    s3 = world.s3(**{f"store_{name}_timeout_seconds": value})
    gcs = world.gcs(**{f"store_{name}_timeout_seconds": value})
    place = ["connect", "read"].index(name)
    return getattr(s3._client.meta.config, f"{name}_timeout"), gcs._timeout[place]


def connections(world: World, value: int) -> tuple[int, int]:
    s3, gcs = (open_(store_max_connections=value) for open_ in (world.s3, world.gcs))
    adapter = gcs._bucket.client._http.get_adapter("https://")
    return s3._client.meta.config.max_pool_connections, adapter._pool_maxsize


def part_patience(world: World, value: float) -> tuple[float, float, float]:
    """For a call, and for a part of S3 and of GCS."""
    outbox = world.memory(store_timeout_seconds=value)
    s3, gcs = (open_(store_timeout_seconds=value) for open_ in (world.s3, world.gcs))
    return (
        outbox.bucket._timeout_seconds,
        s3._options.store_timeout_seconds,
        gcs._part_retry.timeout,
    )


# setting: the value it is given, where it shows, and as what
SHOWS: dict[str, tuple[Any, Callable[[World, Any], Any], Any]] = {
    "root": ("memory://other", lambda w, v: w.open(v).bucket.root, "memory://other"),
    "key_template": ("{item}", lambda w, v: key(w.memory(key_template=v)), "I"),
    "version": ("7", lambda w, v: began(w.memory(version=v)).attempt.model.version, "7"),
    "store": ("always", lambda w, v: asks(w.memory(store=v), {}), True),
    "metadata_field": (
        "about",
        lambda w, v: began(w.memory(metadata_field=v), about={"item": "I"}).metadata.item,
        "I",
    ),
    "stream_artifact": ("a.wav", lambda w, v: streamed(w.memory(stream_artifact=v)), ["a.wav"]),
    "max_inference_seconds": (
        0.01,
        lambda w, v: timed_out(w.memory(max_inference_seconds=v)),
        504,
    ),
    "max_document_bytes": (9, lambda w, v: w.memory(max_document_bytes=v).files.max_bytes, 9),
    "input_roots": (
        ["memory://more"],
        lambda w, v: [store.root for store in w.memory(input_roots=v).input_stores],
        ["memory://more"],
    ),
    "url_hosts": (
        ["a.example"],
        lambda w, v: w.memory(url_hosts=v).downloader.hosts,
        ("a.example",),
    ),
    "url_timeout_seconds": (
        9,
        lambda w, v: w.memory(url_timeout_seconds=v).downloader.timeout_seconds,
        9,
    ),
    "max_pending_results": (
        3,
        lambda w, v: w.memory(max_pending_results=v)._storage._executor._free._initial_value,
        3,
    ),
    "allow_unsafe_commit": (True, unsafe_commit, True),
    "inference": ({"threads": 0}, inference_setting, "inference.threads"),
    "endpoint_url": (None, lambda w, _: w.s3()._client.meta.endpoint_url == w.s3_door.url, True),
    "region": ("eu-west-1", lambda w, v: w.s3(region=v)._client.meta.region_name, "eu-west-1"),
    "store_timeout_seconds": (9, part_patience, (9, 9, 9)),
    "store_connect_timeout_seconds": (9, lambda w, v: time_limits(w, "connect", v), (9, 9)),
    "store_read_timeout_seconds": (9, lambda w, v: time_limits(w, "read", v), (9, 9)),
    "store_max_connections": (9, connections, (9, 9)),
    "aws_role_arn": (ROLE, lambda w, v: w.role("RoleArn", aws_role_arn=v), ROLE),
    "aws_role_session_name": (
        "me",
        lambda w, v: w.role("RoleSessionName", aws_role_session_name=v),
        "me",
    ),
    "aws_role_duration_seconds": (
        900,
        lambda w, v: w.role("DurationSeconds", aws_role_duration_seconds=v),
        "900",
    ),
    "s3_addressing_style": ("path", lambda _, v: address(v).split("?")[0], S3_PATH),
    "s3_ca_bundle": (
        "/none.pem",
        lambda w, v: raised(lambda: w.s3(s3_ca_bundle=v)),
        "s3_ca_bundle",
    ),
    "s3_expected_bucket_owner": (
        "123456789012",
        lambda w, v: w.s3_header("x-amz-expected-bucket-owner", s3_expected_bucket_owner=v),
        "123456789012",
    ),
    "s3_encryption": (
        "AES256",
        lambda w, v: w.s3_header("x-amz-server-side-encryption", s3_encryption=v),
        "AES256",
    ),
    "s3_kms_key_id": (
        "k",
        lambda w, v: w.s3_header(
            "x-amz-server-side-encryption-aws-kms-key-id", s3_encryption="aws:kms", s3_kms_key_id=v
        ),
        "k",
    ),
    "s3_storage_class": (
        "STANDARD_IA",
        lambda w, v: w.s3_header("x-amz-storage-class", s3_storage_class=v),
        "STANDARD_IA",
    ),
    "s3_tags": ({"a": "b"}, lambda w, v: w.s3_header("x-amz-tagging", s3_tags=v), "a=b"),
    "s3_multipart_threshold_bytes": (
        5 * MIB,
        lambda w, v: w.s3_parts(6 * MIB, s3_multipart_threshold_bytes=v),
        [6 * MIB],
    ),
    "s3_part_bytes": (
        5 * MIB,
        lambda w, v: w.s3_parts(6 * MIB, s3_multipart_threshold_bytes=5 * MIB, s3_part_bytes=v),
        [MIB, 5 * MIB],
    ),
    "s3_part_concurrency": (
        3,
        lambda w, v: w.s3(s3_part_concurrency=v)._options.s3_part_concurrency,
        3,
    ),
    "gcp_workload_identity_provider": (
        "projects/q",
        lambda w, v: w.google(gcp_workload_identity_provider=v)._audience,
        "//iam.googleapis.com/projects/q",
    ),
    "gcp_service_account_email": (
        "me@p.iam",
        lambda w, v: w.google(gcp_service_account_email=v).service_account_email,
        "me@p.iam",
    ),
    "gcs_kms_key": (
        "projects/k",
        lambda w, v: w.gcs(gcs_kms_key=v)._new_blob("a").kms_key_name,
        "projects/k",
    ),
    "gcs_storage_class": (
        "NEARLINE",
        lambda w, v: w.gcs(gcs_storage_class=v)._options.gcs_storage_class,
        "NEARLINE",
    ),
    "gcs_part_bytes": (MIB, lambda w, v: w.gcs(gcs_part_bytes=v)._new_blob("a").chunk_size, MIB),
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_setting_shows_where_it_is_used(world, setting):
    value, look, expected = SHOWS[setting]
    assert look(world, value) == expected


@pytest.mark.parametrize("page", ["config.yaml", "model/packages/truss_outbox/README.md"])
def test_every_setting_is_explained(page):
    text = (PROJECT / page).read_text()
    assert [name for name in SETTINGS if not re.search(rf"\b{name}\b", text)] == []


def test_config_yaml_names_every_setting_with_its_default():
    text = (PROJECT / "config.yaml").read_text()
    section = re.sub(r"^    # ", "    ", text[text.index("  outbox:\n") :], flags=re.MULTILINE)
    written = yaml.safe_load(section)["outbox"]
    assert list(written) == [one for one in written if one in SETTINGS]
    assert set(written) == set(SETTINGS)
    defaults = OutboxSettings(root=Root.parse("memory://any"))
    for name in set(SETTINGS) - {"root", "key_template"}:
        default = getattr(defaults, name)
        assert written[name] == (list(default) if isinstance(default, tuple) else default), name
    assert written["key_template"] == defaults.key_template.text


def test_every_setting_is_read_by_the_code():
    """Of the few that are looked at above in the options alone, too."""
    package = Path(truss_outbox.__file__).parent
    files = [*package.rglob("*.py"), *package.parents[1].glob("*.py")]
    trees = [ast.parse(path.read_text()) for path in files]
    read = {n.attr for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    assert set(SETTINGS) - read == set()

"""What works on which server: the model's side and the companion's, operation by operation."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from local_baseten.errors import BucketError
from truss_outbox.contract.errors import NotFoundError, OutboxError
from truss_outbox.contract.keys import artifact_key, escape, manifest_key
from truss_outbox.stores import GcsOptions, ObjectStore, RetryingStore, S3Options, open_store
from truss_outbox.stores.commit import commit
from truss_outbox.stores.probing import UnsafeStore, probe
from truss_outbox.stores.upload import upload_artifacts

from ..measuring import manifest_of, write_random
from .servers import NOT_TO_BE_HAD, SERVERS, StoreServer

_JOB = "matrix %/結果"
_ITEMS = ("a.pdf", "b/c d.pdf", "%2F~é.pdf")
_LARGE = "large.bin"
_LARGE_BYTES = 11 << 20
_PART_BYTES = 5 << 20
_DELETE = """
import sys
from outbox_client import opening, read_settings
opening.bucket(read_settings()).delete(sys.argv[1])
"""


class _RefusedError(Exception):
    """What a command or a check says."""


def measure(*names: str) -> str:
    """A row for each server, then what was refused in words, and what is not here."""
    with TemporaryDirectory(prefix="m-") as directory:
        rows = [_row(name, Path(directory)) for name in names or SERVERS]
    width = max(len(row.name) for row in rows)
    head = "  ".join([f"{'':<{width}}", *(f"{one:<7}" for one in OPERATIONS)])
    lines = [head.rstrip(), *(row.line(width) for row in rows), ""]
    lines += [f"{row.name}, {one}: {why}" for row in rows for one, why in row.refusals.items()]
    lines += [f"{name}: not here: {why}" for name, why in ({} if names else NOT_TO_BE_HAD).items()]
    return "\n".join([*lines, ""])


@dataclass(kw_only=True, slots=True)
class Row:
    """How the operations went on one server; `refusals` of those that did not end well."""

    name: str
    done: list[str] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)

    def line(self, width: int) -> str:
        cells = ["ok" if one in self.done else "REFUSED" for one in OPERATIONS]
        if "start" in self.refusals:
            cells = ["-"] * len(OPERATIONS)
        return "  ".join([f"{self.name:<{width}}", *(f"{cell:<7}" for cell in cells)]).rstrip()


def _row(name: str, directory: Path) -> Row:
    row, here = Row(name=name), directory / name.partition(" ")[0]
    here.mkdir()
    (here / "server").mkdir()
    try:
        with SERVERS[name](here / "server") as server:
            trial = Trial(server, here)
            for operation, tried in OPERATIONS.items():
                try:
                    tried(trial)
                except (OutboxError, _RefusedError, httpx.HTTPError) as error:
                    row.refusals[operation] = " ".join(str(error).split())
                else:
                    row.done.append(operation)
    except (BucketError, subprocess.TimeoutExpired) as error:
        row.refusals["start"] = " ".join(str(error).split())
    return row


class Trial:
    """One server, tried out with the model's store and with the companion's commands."""

    def __init__(self, server: StoreServer, directory: Path) -> None:
        self._directory = directory
        options = S3Options(
            endpoint_url=server.endpoint_url,
            access_key_id=server.access_key_id,
            secret_access_key=server.secret_access_key,
            s3_multipart_threshold_bytes=_PART_BYTES,
            s3_part_bytes=_PART_BYTES,
        )
        self._bare = open_store(
            server.root, s3=options, gcs=GcsOptions(endpoint_url=server.endpoint_url)
        )
        self._store: ObjectStore = RetryingStore(UnsafeStore(self._bare), timeout_seconds=10)
        self._environment = {
            **os.environ,
            "OUTBOX_ROOT": server.root,
            "OUTBOX_ENDPOINT_URL": server.endpoint_url,
            "OUTBOX_HOME": str(directory / "home"),
            "AWS_ACCESS_KEY_ID": server.access_key_id,
            "AWS_SECRET_ACCESS_KEY": server.secret_access_key,
        }

    def load(self) -> None:
        """As a model does; what is refused is used like one that `allow_unsafe_commit` takes."""
        probe(self._bare)
        self._store = RetryingStore(self._bare, timeout_seconds=10)

    def write(self) -> None:
        for item in _ITEMS:
            self._commit(item, write_random(self._directory / "page-1.png", 1 << 10))

    def parts(self) -> None:
        self._commit(_LARGE, write_random(self._directory / _LARGE, _LARGE_BYTES))

    def _commit(self, item: str, path: Path) -> None:
        manifest = manifest_of(escape(_JOB), escape(item), attempt="0" * 8, artifacts=[])
        named = manifest.model_copy(update={"job": _JOB, "item": item})
        commit(self._store, upload_artifacts(self._store, {path.name: path}, named))

    def fetch(self) -> None:
        *_, last = self._outbox("fetch", _JOB, "--to", str(self._directory / "out")).splitlines()
        _expect(last.partition(" ")[0], str(len(_ITEMS) + 1), "results")

    def index(self) -> None:
        done = json.loads(self._outbox("index", _JOB, "--json"))
        _expect(done["added"], len(_ITEMS) + 1, "rows")

    def presign(self) -> None:
        done = self._outbox("presign", _JOB, "--json")
        for link in json.loads(done)["links"]:
            opened = httpx.get(link["url"], timeout=10, trust_env=False)
            if not opened.is_success:
                raise _RefusedError(f"a link answers {opened.status_code}")
            _expect(len(opened.content), link["size"], f"bytes of {link['name']}")

    def sweep(self) -> None:
        """An attempt without a manifest is found, and what has one is left alone."""
        orphan = artifact_key(f"job={escape(_JOB)}/orphan", "1" * 8, "x.bin")
        path = write_random(self._directory / "x.bin", 100)
        self._store.put_file(orphan, path, content_type="text/plain")
        found = json.loads(self._outbox("sweep", "--older-than", "0s", "--json"))
        _expect([one["keys"] for one in found["orphans"]], [[orphan]], "orphans")

    def delete(self) -> None:
        """By the model's side and by the companion's."""
        first, second = (manifest_key(f"job={escape(_JOB)}/{escape(one)}") for one in _ITEMS[1:])
        self._store.delete(first)
        self._run("-c", _DELETE, second)
        for key in (first, second):
            _expect(self._has(key), False, "manifest")

    def _has(self, key: str) -> bool:
        try:
            self._store.get(key)
        except NotFoundError:
            return False
        return True

    def _outbox(self, *arguments: str) -> str:
        return self._run("-m", "outbox_client", *arguments)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self._directory,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            # What failed of several is on stdout; what failed as a whole is the last of stderr.
            said = done.stdout.splitlines()[:1] or done.stderr.splitlines()[-1:]
            raise _RefusedError(f"exit code {done.returncode}: {' '.join(said)}")
        return done.stdout


def _expect(seen: object, wanted: object, what: str) -> None:
    if seen != wanted:
        raise _RefusedError(f"{seen} {what}, not {wanted}")


OPERATIONS: Mapping[str, Callable[[Trial], None]] = {
    "load": Trial.load,
    "write": Trial.write,
    "parts": Trial.parts,
    "fetch": Trial.fetch,
    "index": Trial.index,
    "presign": Trial.presign,
    "sweep": Trial.sweep,
    "delete": Trial.delete,
}

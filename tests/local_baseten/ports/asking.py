"""Every port that is open, and every question that somebody could put to it."""

import os
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from local_baseten.buckets.s3 import BucketServer
from local_baseten.running import LocalBaseten

USER = "nobody"
KEPT = "manifests/job=private/kept.json"
_FOLDER, _, _NAME = f"/buckets/outbox/{KEPT}".rpartition("/")
_REQUEST = b'{"model_input": {"record": "/dev/null", "name": "a"}}'


@dataclass(frozen=True, kw_only=True)
class Port:
    owner: str
    number: int


@dataclass(frozen=True, kw_only=True)
class Question:
    """An HTTP request, or one of gRPC where `is_grpc`, as curl's options."""

    name: str
    path: str
    method: str = "GET"
    body: bytes = b""
    headers: tuple[str, ...] = ()
    is_grpc: bool = False

    def options(self) -> list[str]:
        options = [*("-X", self.method), *(f"-H{header}" for header in self.headers)]
        if self.is_grpc:
            options += ["--http2-prior-knowledge", "-Hcontent-type: application/grpc"]
            options += ["-Hte: trailers"]
        return [*options, "--data-binary", "@-"] if self.body else options


def _field(number: int, text: str) -> bytes:
    return bytes([number << 3 | 2, len(text)]) + text.encode()


def _grpc(method: str, message: bytes = b"") -> Question:
    frame = b"\0" + len(message).to_bytes(4) + message
    return Question(name=method, path=f"/{method}", method="POST", body=frame, is_grpc=True)


@dataclass(frozen=True, kw_only=True)
class Answer:
    port: Port
    question: Question
    scheme: str
    text: str

    @property
    def gives_something(self) -> bool:
        return self.text.startswith("2")


_ENTRY = _field(1, _FOLDER) + _field(2, _NAME)
QUESTIONS = [
    Question(name="GET /", path="/"),
    Question(name="GET that it runs", path="/healthz"),
    Question(name="GET a manifest from S3", path=f"/outbox/{KEPT}"),
    Question(name="PUT a manifest to S3", path=f"/outbox/{KEPT}", method="PUT", body=b"{}"),
    Question(name="DELETE a manifest from S3", path=f"/outbox/{KEPT}", method="DELETE"),
    Question(name="GET a manifest from the filer", path=f"{_FOLDER}/{_NAME}"),
    Question(name="list the filer", path=f"{_FOLDER}/", headers=("accept: application/json",)),
    Question(name="PUT to the filer", path=f"{_FOLDER}/{_NAME}", method="PUT", body=b"{}"),
    Question(name="DELETE from the filer", path=f"{_FOLDER}/{_NAME}", method="DELETE"),
    Question(name="ask the master for a place to write", path="/dir/assign"),
    Question(name="GET the volumes' state", path="/status"),
    Question(name="GET the master's state", path="/cluster/status"),
    Question(name="predict", path="/v1/models/model:predict", method="POST", body=_REQUEST),
    Question(name="is the model ready", path="/v1/models/model"),
    Question(name="GET /metrics/", path="/metrics/"),
    Question(name="GET /metrics", path="/metrics"),
    Question(name="async_predict", path="/production/async_predict", method="POST", body=_REQUEST),
    Question(name="sync predict", path="/production/predict", method="POST", body=_REQUEST),
    Question(
        name="async_predict by the key of old",
        path="/production/async_predict",
        method="POST",
        body=_REQUEST,
        headers=("authorization: Api-Key local",),
    ),
    Question(name="the page's data", path="/page/state", headers=("authorization: Api-Key any",)),
    Question(name="another host's name", path="/", headers=("host: rebound.example",)),
    _grpc("filer_pb.SeaweedFiler/LookupDirectoryEntry", _ENTRY),
    _grpc("filer_pb.SeaweedFiler/ListEntries", _field(1, _FOLDER)),
    _grpc("filer_pb.SeaweedFiler/DeleteEntry", _ENTRY + b"\x20\x01"),
    _grpc("master_pb.Seaweed/GetMasterConfiguration"),
    _grpc("volume_server_pb.VolumeServer/VolumeServerStatus"),
]


def ports_of(local: LocalBaseten) -> list[Port]:
    """Of the stand-in, its bucket and its model's servers, with all that these have started."""
    running = local.processes()
    known = {urlsplit(local.base_url).port: "the stand-in"}
    known |= {urlsplit(server.url).port: "the model's server" for server in running.servers}
    return [
        Port(owner=known.get(number) or _option(process, number), number=number)
        for process in _family(running.stand_in)
        for number in sorted(_listening(process))
    ]


def ports_of_bucket(bucket: BucketServer) -> list[Port]:
    return [
        Port(owner=_option(process, number), number=number)
        for process in _family(bucket.pid)
        for number in sorted(_listening(process))
    ]


def sockets_of(pid: int) -> set[Path]:
    """What it, and all that it has started, listens on in the file system."""
    return {
        Path(process.cwd(), connection.laddr)
        for process in _family(pid)
        for connection in process.net_connections("unix")
        if connection.laddr and not connection.laddr.startswith("\0")
    }


def _family(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _listening(process: psutil.Process) -> Iterator[int]:
    for connection in process.net_connections("inet"):
        if connection.status == psutil.CONN_LISTEN:
            assert connection.laddr.ip == "127.0.0.1"
            yield connection.laddr.port


def _option(process: psutil.Process, number: int) -> str:
    """`filer.port.grpc`, by which SeaweedFS was given the number; it chooses one itself."""
    options = [option.lstrip("-").partition("=") for option in process.cmdline()]
    names = (name for name, _, value in options if value == str(number))
    return f"the bucket: {next(names, 'admin.port.grpc')}"


def ask_all(ports: Iterable[Port], questions: Iterable[Question]) -> list[Answer]:
    """Each of each as another user of this machine, by HTTP and by TLS; `-s` shows the table."""
    answers = [
        Answer(port=port, question=question, scheme=scheme, text=_ask(port, question, scheme))
        for port in ports
        for question in questions
        for scheme in ("http", "https")
    ]
    for one in answers:
        print(f"{one.port.owner:29} {one.scheme:5} {one.question.name:44} {one.text}")  # noqa: T201
    return answers


def _ask(port: Port, question: Question, scheme: str) -> str:
    """The status and the body's beginning; or what curl says where there is no answer."""
    url = f"{scheme}://127.0.0.1:{port.number}{question.path}"
    wanted = ["-sk", "--max-time", "10", "-w", "\n%{http_code}", *question.options()]
    done = subprocess.run(
        ["curl", *wanted, url],
        input=question.body,
        capture_output=True,
        check=False,
        user=USER if os.geteuid() == 0 else None,
        env={"PATH": os.environ["PATH"]},
    )
    body, _, status = done.stdout.decode(errors="replace").rpartition("\n")
    words = body.strip().replace("\n", " ").replace("\0", "")[:60]
    return f"{status} {words}".strip() if status != "000" else f"no answer ({done.returncode})"

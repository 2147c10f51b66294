"""Fetching a request's file from an https address of the public internet."""

import hashlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from ...contract.errors import DocumentUnavailableError, InvalidInputError
from .addresses import FIELD, Target, is_public, parse_redirect, parse_target
from .connection import Connect, PinnedConnection, open_socket, read_body

MAX_REDIRECTS = 5

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_WORTH_REPEATING = frozenset({408, 425, 429})
# Others of getaddrinfo's errors are of the resolver, and may pass.
_NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})
_WEB_PAGES = frozenset({"text/html", "application/xhtml+xml"})


def resolve_host(host: str) -> list[str]:
    """The host's IP addresses, in the order to try them. Raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, kw_only=True, slots=True)
class Downloader:
    """Takes files from `hosts` (exact names, or `*.example.com`); from nowhere when empty.

    A name is resolved once a request. Every address it has must be allowed, and the connection
    goes to one of them, so a name that is changed in between gains nothing. Redirects are checked
    like the address itself. `timeout_seconds` bounds all of it.
    """

    hosts: tuple[str, ...] = ()
    timeout_seconds: float = 60.0
    resolve: Callable[[str], list[str]] = resolve_host
    is_allowed: Callable[[str], bool] = is_public
    connect: Connect = open_socket
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context

    def download(self, url: str, path: Path, *, max_bytes: int) -> str:
        """Stream it to the new file `path`; returns its SHA-256 (hex).

        Raises InvalidInputError where repeating is of no use, else DocumentUnavailableError.
        Neither quotes the address.
        """
        if not self.hosts:
            raise InvalidInputError(
                FIELD, "this model takes no addresses (url_hosts is not set); send base64 or input"
            )
        deadline = time.monotonic() + self.timeout_seconds
        target = parse_target(url, hosts=self.hosts)
        for _ in range(MAX_REDIRECTS + 1):
            with self._answer(target, deadline) as answer:
                if answer.status not in _REDIRECTS:
                    _check(answer, max_bytes=max_bytes)
                    return self._save(answer, path, deadline, max_bytes=max_bytes)
                location = answer.getheader("Location", "")
            target = parse_redirect(location, of=target, hosts=self.hosts)
        raise InvalidInputError(FIELD, f"redirects more than {MAX_REDIRECTS} times")

    @contextmanager
    def _answer(self, target: Target, deadline: float) -> Iterator[HTTPResponse]:
        with ExitStack() as stack:
            with self._translated(deadline):
                connection = self._connected(target.host, deadline, stack)
                answer = stack.enter_context(connection.ask(target))
            yield answer

    def _connected(self, host: str, deadline: float, stack: ExitStack) -> PinnedConnection:
        """To the first of the host's addresses that answers."""
        error: OSError = ConnectionError()
        for address in self._addresses(host):
            connection = PinnedConnection(
                host, address, deadline=deadline, tls=self.tls(), connect=self.connect
            )
            stack.enter_context(connection.cut_at_deadline())
            try:
                connection.connect()
            except OSError as failed:
                error = failed
            else:
                return connection
        raise error

    def _addresses(self, host: str) -> list[str]:
        addresses = self.resolve(host)
        # All, not only the one to be used: a private address beside a public one is a trick.
        if not all(self.is_allowed(address) for address in addresses):
            raise InvalidInputError(FIELD, "its host has an address that is not a public one")
        return addresses

    def _save(self, answer: HTTPResponse, path: Path, deadline: float, *, max_bytes: int) -> str:
        digest, size = hashlib.sha256(), 0
        with path.open("xb") as file:
            for chunk in self._chunks(answer, deadline):
                size += len(chunk)
                _check_size(size, max_bytes=max_bytes)
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest()

    def _chunks(self, answer: HTTPResponse, deadline: float) -> Iterator[bytes]:
        # Around the reading alone: a full disk is not the host's fault.
        chunks = read_body(answer)
        while True:
            with self._translated(deadline):
                chunk = next(chunks, b"")
            if not chunk:
                return
            yield chunk

    @contextmanager
    def _translated(self, deadline: float) -> Iterator[None]:
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise InvalidInputError(
                FIELD, "its host has no valid TLS certificate for that name"
            ) from error
        except (OSError, HTTPException) as error:
            if isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_NAME:
                raise InvalidInputError(FIELD, "its host does not exist") from error
            if time.monotonic() >= deadline:
                problem = f"was not there within {self.timeout_seconds:g} s (url_timeout_seconds)"
                raise DocumentUnavailableError(FIELD, problem) from error
            problem = "the connection to its host failed or broke"
            raise DocumentUnavailableError(FIELD, problem) from error


def _check(answer: HTTPResponse, *, max_bytes: int) -> None:
    if answer.status >= 500 or answer.status in _WORTH_REPEATING:
        raise DocumentUnavailableError(FIELD, f"its host answered {answer.status}")
    if answer.status != 200:
        raise InvalidInputError(
            FIELD, f"its host answered {answer.status}; a link that has expired must be made anew"
        )
    # A link to a viewer, or a login page that is answered with 200.
    if answer.headers.get_content_type() in _WEB_PAGES:
        raise InvalidInputError(FIELD, "is a web page; give the address of the file itself")
    if answer.getheader("Content-Encoding", "identity").lower() != "identity":
        raise InvalidInputError(FIELD, "is sent compressed although that was not asked for")
    _check_size(answer.length or 0, max_bytes=max_bytes)


def _check_size(size: int, *, max_bytes: int) -> None:
    if size > max_bytes:
        raise InvalidInputError(
            FIELD,
            f"is larger than {max_bytes} bytes, this model's max_document_bytes; send a smaller"
            " file",
        )

"""What lies between here and a server: its address, the proxy, the certificates that are trusted.

Each is checked once, before an SDK or a native library sees it: some do not survive it. A mistake
in one is told by the name of its setting, and never what a URL holds of a password.
"""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ..contract.errors import ConfigurationError

_HOST = r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
_ADDRESS = re.compile(
    rf"{_HOST}(:(?P<port>\d{{1,5}}))?(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?\Z"
)
_HIGHEST_PORT = 65_535
PROXY_LOGIN = 407
_PROXY_VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


def check_url(setting: str, url: str) -> None:
    """Whether every client takes it for a server's address. Raises ConfigurationError."""
    if problem := _problem(url):
        raise ConfigurationError(setting, f"{problem}; write https://host:port")


def _problem(url: str) -> str | None:
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in {"http", "https"}:
        return "is no URL that begins with https:// or http://"
    # SDKs would send it, or not, or quote it in an error.
    if "@" in re.split(r"[/?#]", rest)[0]:
        return "holds a user name or password, which no bucket and no service takes"
    address = _ADDRESS.match(rest)
    if address is None:
        return "is no URL of a server: its host or port cannot be one, or it has a ? or #"
    if address["port"] and int(address["port"]) > _HIGHEST_PORT:
        return f"has a port above {_HIGHEST_PORT}"
    return None


def check_proxy(url: str | None) -> None:
    """Whether a proxy that the environment names can be spoken to. Raises ConfigurationError."""
    if url is None:
        return
    scheme, _, rest = with_scheme(url).partition("://")
    variable, end = _proxy_variable(url), "; name one as http://host:port, or the host in NO_PROXY"
    if scheme.lower() not in {"http", "https"}:
        kind = "a SOCKS proxy, which is not spoken to" if "socks" in scheme else "no HTTP proxy"
        raise ConfigurationError(variable, f"names {kind}{end}")
    # Unlike a server's, its address may have a user and a password.
    if problem := _problem(f"{scheme}://{rest.rpartition('@')[2]}"):
        raise ConfigurationError(variable, f"{problem}{end}")


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for a server, as curl and the SDKs look for it."""
    named, parts = proxies(), urlsplit(url)
    proxy = named.get(parts.scheme) or named.get("all")
    if not proxy:
        return None
    from urllib.request import proxy_bypass  # noqa: PLC0415  # loaded already

    hosts = (parts.netloc, parts.hostname or "")
    return None if any(map(proxy_bypass, hosts)) else with_scheme(proxy)


def proxies() -> Mapping[str, str]:
    """Those that the environment names, or the system, by the scheme of what is asked."""
    has_settings = sys.platform in {"darwin", "win32"}
    if not has_settings and not any(name.lower().endswith("_proxy") for name in os.environ):
        return {}
    from urllib.request import getproxies  # noqa: PLC0415  # 0.02 seconds

    return getproxies()


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a server is asked, for errors: `of` is what should answer there."""

    of: str
    url: str
    setting: str | None = None
    """What named the address; None where it is the cloud's own."""
    proxy_url: str | None = None
    depends_on: str = "region"
    """What the cloud's own address is made of."""

    def unanswered(self, cause: str) -> str:
        """What to say where no answer came; `cause` may be empty."""
        host = f"{self.url} ({self.setting})" if self.setting else self.url
        way = f" through {_named_proxy(self.proxy_url)}" if self.proxy_url else ""
        said = f"{host} does not answer{way}{f' ({cause})' if cause else ''}"
        return f"{said}: check {self.setting or self.depends_on} and the network"

    def answered_instead(self, status: int | None = None) -> str:
        """What to say where a web page came in the place of an answer, or a proxy refused."""
        what = f" (HTTP {status})" if status else ""
        said = f"{_named_proxy(self.proxy_url)} answered{what}, not {self.of} at {self.url}"
        if status == PROXY_LOGIN:
            return f"{said}: it wants a user and a password, as http://user:password@host:port"
        check = f", and check {self.setting}" if self.setting else ""
        return f"{said}: have it let this host through, or name the host in NO_PROXY{check}"


def _named_proxy(url: str | None) -> str:
    """Where none is known, something may sit in the way all the same."""
    if url is None:
        return "something on the way, a proxy or a login page,"
    host = urlsplit(with_scheme(url)).netloc.rpartition("@")[2]
    return f"the proxy at {host} ({_proxy_variable(url)})"


def check_certificates(setting: str, place: Path) -> None:
    """Whether it has certificates: a PEM file, or a directory. Raises ConfigurationError."""
    if place.is_dir():
        return
    import ssl  # noqa: PLC0415  # 0.01 seconds

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(place)
    except ssl.SSLError:
        raise ConfigurationError(
            setting, "names a file without certificates: it must be PEM"
        ) from None
    except OSError as error:
        why = "no such file" if isinstance(error, FileNotFoundError) else error.strerror
        raise ConfigurationError(
            setting, f"cannot be read, {why}: name a PEM file of certificates"
        ) from error


def check_key_log(environ: Mapping[str, str] = os.environ) -> None:
    """Whether the file can be written into which TLS writes its keys. Raises ConfigurationError."""
    if file := environ.get("SSLKEYLOGFILE"):
        try:
            with Path(file).open("ab"):
                pass
        except OSError as error:
            raise ConfigurationError(
                "SSLKEYLOGFILE", f"cannot be written ({error.strerror}): unset it"
            ) from error


def _proxy_variable(url: str) -> str:
    names = [name for upper in _PROXY_VARIABLES for name in (upper, upper.lower())]
    same = {url, url.removeprefix("http://")}
    return next((name for name in names if os.environ.get(name) in same), "the system's proxy")


def with_scheme(proxy_url: str) -> str:
    """A proxy's URL: of `host:port`, which is written too, the one with http."""
    return proxy_url if "://" in proxy_url else f"http://{proxy_url}"

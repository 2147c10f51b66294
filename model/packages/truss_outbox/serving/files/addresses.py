"""Which addresses a request may have this model fetch. Pure: nothing is looked up, nothing sent.

An address that another program could understand differently is refused, never corrected.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urljoin

from ...contract.errors import InvalidInputError

FIELD = "url"

# RFC 3986 without the fragment: no space, no backslash, no control character, ASCII alone.
_CHARACTERS = re.compile(r"(?:[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*\Z")
_ADDRESS = re.compile(r"https://([^/?:]*)(?::443)?((?:[/?].*)?)\Z", re.IGNORECASE)
# Its last label begins with a letter, so it is no IPv4 address in any notation.
_LABEL = r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?=[a-z]){_LABEL}\Z")

_IPV6_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
# What `is_global` of Python 3.11 lets through, or is in public space and means the machine's own
# surroundings: IETF protocols, 6to4 relays and tunnels, Azure's host, documentation.
_NOT_PUBLIC: tuple[IPv4Network | IPv6Network, ...] = (
    *(IPv4Network(net) for net in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32")),
    *(IPv6Network(net) for net in ("2001::/23", "2002::/16", "3fff::/20")),
)
_WRITE_HOSTS = (
    "write host names in lower case, such as files.example.com, or *.example.com for all below it"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What to ask whom: a host name in lower case, and the path with its query as it is sent."""

    host: str
    path: str

    @property
    def url(self) -> str:
        return f"https://{self.host}{self.path}"


def parse_target(url: str, *, hosts: tuple[str, ...]) -> Target:
    """Raises InvalidInputError, which never quotes the address: a signed one is a secret."""
    if not _CHARACTERS.match(url):
        raise InvalidInputError(
            FIELD, "holds a fragment or a character that must be percent-encoded in an address"
        )
    match = _ADDRESS.match(url)
    if match is None:
        raise InvalidInputError(FIELD, "must read https://host/path: no user name, no other port")
    host, path = match[1].lower(), match[2]
    if not _HOST.match(host):
        raise InvalidInputError(FIELD, "must name its host in full, and not by a number")
    if not any(_covers(pattern, host) for pattern in hosts):
        raise InvalidInputError(FIELD, "its host is not among this model's url_hosts")
    return Target(host=host, path=path if path.startswith("/") else f"/{path}")


def parse_redirect(location: str, *, of: Target, hosts: tuple[str, ...]) -> Target:
    """Where a redirect leads. Raises InvalidInputError like any other address."""
    if not location:
        raise InvalidInputError(FIELD, "is redirected without saying where to")
    # Before urljoin, which drops tabs and line ends.
    url = urljoin(of.url, location) if _CHARACTERS.match(location) else location
    try:
        return parse_target(url, hosts=hosts)
    except InvalidInputError as error:
        raise InvalidInputError(FIELD, f"redirects to an address that {error.problem}") from None


def parse_hosts(value: Any) -> Any:
    """The setting `url_hosts`: a list, or its text with commas. Raises ValueError."""
    if isinstance(value, str):
        value = [part for part in re.split(r"[\s,]+", value) if part]
    if not isinstance(value, list | tuple):
        return value
    for pattern in value:
        if not isinstance(pattern, str) or not _HOST.match(pattern.removeprefix("*.")):
            raise ValueError(_WRITE_HOSTS)
    return tuple(value)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet.

    An IPv6 address that only wraps an IPv4 address counts as that one (NAT64), or not at all.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip in _NAT64:
        ip = IPv4Address(int(ip) & 0xFFFFFFFF)
    if isinstance(ip, IPv6Address) and (ip not in _IPV6_UNICAST or ip.scope_id):
        return False
    return ip.is_global and not ip.is_multicast and not any(ip in net for net in _NOT_PUBLIC)


def _covers(pattern: str, host: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern

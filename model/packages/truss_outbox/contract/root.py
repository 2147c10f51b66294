"""Where all that a deployment stores lies: `s3://bucket/prefix`, `gs://bucket/prefix`, `file:///dir`.

Every side reads a root's address here, so that none accepts what another refuses.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote, unquote

from .errors import ConfigurationError

MAX_PREFIX_BYTES = 100
"""Of the 1,024 bytes of an object's name; `keys` says what the rest is for."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/]*)(/.*)?\Z")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_OF_OTHER_KINDS = ("--x-s3", "--xa-s3", "--op-s3")
"""Buckets that list in no order, or whose requests are signed in a way of their own."""
_PLAIN = "/=,+@:!$&'()*;~"  # in a URL's path, as letters, digits and ._- are
_FORMS = "must be s3://bucket/prefix, gs://bucket/prefix or file:///directory"


@dataclass(frozen=True, kw_only=True, slots=True)
class Root:
    """A parsed root. `str()` gives its address, without a slash at the end.

    A directory's address is a URL: whatever opens URLs reads its escapes. A bucket's is not: in it
    every character stands for itself.
    """

    scheme: Literal["s3", "gs", "file", "memory"]
    bucket: str
    """Empty for a directory."""
    prefix: str
    """Without a slash at either end; of a directory its path, without the leading slash."""

    @classmethod
    def parse(cls, text: str, *, setting: str = "root") -> Self:
        """Raises ConfigurationError, which names `setting`."""
        scheme, bucket, prefix = _split(setting, text)
        match scheme:
            case "s3" | "gs":
                _check_bucket(setting, scheme, bucket)
                _check_length(setting, prefix)
            case "file":
                if bucket or not prefix:
                    raise ConfigurationError(setting, "a directory is written file:///its/path")
                prefix = _unescaped(setting, prefix)
            case "memory":
                pass
            case _:
                raise ConfigurationError(setting, f"{scheme}: {_FORMS}")
        _check_segments(setting, prefix)
        return cls(scheme=scheme, bucket=bucket, prefix=prefix)

    @classmethod
    def of_directory(cls, directory: Path) -> Self:
        """The root of an absolute path."""
        return cls(scheme="file", bucket="", prefix=str(directory).lstrip("/"))

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self._written(self.prefix)}".rstrip("/")

    def uri(self, key: str) -> str:
        """The address of the object with this key under the root."""
        return f"{self}/{self._written(key)}"

    def _written(self, path: str) -> str:
        if self.scheme != "file":
            return path
        return quote(path, safe=_PLAIN, errors="surrogateescape")

    @property
    def directory(self) -> Path:
        """Of `file://`."""
        return Path("/") / self.prefix

    def object_name(self, key: str) -> str:
        """The whole name in the bucket of the object with this key under the root."""
        return f"{self.prefix}/{key}" if self.prefix else key


def _split(setting: str, text: str) -> tuple[str, str, str]:
    """Scheme, bucket and prefix."""
    if not text.isprintable() or "\\" in text:
        raise ConfigurationError(setting, "holds a backslash or an unprintable character")
    # Some clients would read a query or a fragment out of the address, others a longer name.
    if "?" in text or "#" in text:
        raise ConfigurationError(setting, "may have no ? and no #")
    match = _URL.match(text)
    if match is None:
        raise ConfigurationError(setting, f"is no address: {_FORMS}")
    return match[1].lower(), match[2], (match[3] or "").removeprefix("/").rstrip("/")


def _unescaped(setting: str, path: str) -> str:
    try:
        plain = unquote(path, errors="strict")
    except UnicodeDecodeError:
        plain = "\0"
    if not plain.isprintable():
        raise ConfigurationError(setting, "its %XX are no printable text in UTF-8")
    return plain


def _check_segments(setting: str, prefix: str) -> None:
    # S3 keeps such segments as they are, HTTP clients resolve them: two places for one address.
    if prefix and any(segment in {"", ".", ".."} for segment in prefix.split("/")):
        raise ConfigurationError(setting, "has an empty, . or .. segment: write it without")


def _check_bucket(setting: str, scheme: str, bucket: str) -> None:
    if not bucket:
        raise ConfigurationError(setting, "names no bucket: write s3://bucket/prefix")
    if not _BUCKET.match(bucket):
        raise ConfigurationError(
            setting, "a bucket's name has letters, digits, dots, hyphens and underscores alone"
        )
    if scheme == "s3" and bucket.endswith(_OF_OTHER_KINDS):
        raise ConfigurationError(
            setting, "a directory bucket and an access point on Outposts are no place for results"
        )


def _check_length(setting: str, prefix: str) -> None:
    if len(prefix.encode()) > MAX_PREFIX_BYTES:
        raise ConfigurationError(setting, f"its prefix is longer than {MAX_PREFIX_BYTES} bytes")

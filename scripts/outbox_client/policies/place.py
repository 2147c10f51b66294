"""Where in a cloud results lie, as its policies name it."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from truss_outbox.contract.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A bucket and the prefix in it, which is empty or ends in a slash."""

    scheme: str
    bucket: str
    prefix: str

    @classmethod
    def parse(cls, root: str) -> Self:
        """Raises ConfigurationError: not a bucket, or a prefix that policies read as a pattern."""
        url = urlsplit(root)
        if url.scheme not in {"s3", "gs"} or not url.netloc:
            raise ConfigurationError("root", "must be s3://bucket/prefix or gs://bucket/prefix")
        if any(character in root for character in "*?#$'\"\\"):
            raise ConfigurationError("root", "may hold none of * ? # $ ' \" \\")
        prefix = url.path.strip("/")
        return cls(scheme=url.scheme, bucket=url.netloc, prefix=f"{prefix}/" if prefix else "")

    def below(self, folder: str) -> str:
        """What the keys in one of the layout's folders begin with."""
        return f"{self.prefix}{folder}/"

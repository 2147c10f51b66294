"""Which queue it is: `sqs://name`, `sqs://account/name?region=…`, `pubsub://project/subscription`.

Pure: nothing is asked.
"""

import re
from dataclasses import dataclass
from typing import Literal, Self

from truss_outbox.contract.errors import ConfigurationError

_FORMS = (
    "must be sqs://name, sqs://account/name, either with ?region=…, or"
    " pubsub://project/subscription"
)
_SQS = re.compile(
    r"sqs://(?:(?P<owner>\d{12})/)?(?P<name>[A-Za-z0-9_-]{1,80}(?:\.fifo)?)"
    r"(?:\?region=(?P<region>[a-z0-9-]+))?\Z"
)
_PUBSUB = re.compile(
    r"pubsub://(?P<owner>[a-z][a-z0-9.:-]{4,61}[a-z0-9])/(?P<name>[A-Za-z][\w.~+%-]{2,254})\Z",
    re.ASCII,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueAddress:
    """`owner` is an AWS account's id, empty for one's own, or a project on Google Cloud."""

    kind: Literal["sqs", "pubsub"]
    owner: str
    name: str
    region: str | None = None
    """Of SQS; None is the SDK's."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ConfigurationError."""
        if match := _SQS.match(text):
            owner, region = match["owner"] or "", match["region"]
            return cls(kind="sqs", owner=owner, name=match["name"], region=region)
        if match := _PUBSUB.match(text):
            return cls(kind="pubsub", owner=match["owner"], name=match["name"])
        raise ConfigurationError("queue", _FORMS)

    def __str__(self) -> str:
        owner = f"{self.owner}/" if self.owner else ""
        region = f"?region={self.region}" if self.region else ""
        return f"{self.kind}://{owner}{self.name}{region}"

"""A job's final account, as far as somebody has left one in the bucket."""

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from truss_outbox.contract.errors import NotFoundError, ObjectTooLargeError

from ..bucket.bucket import Bucket
from ..bucket.records import account_key
from ..text import in_utc
from .failed import Failed

_LARGEST_BYTES = 32 << 20


class _Item(BaseModel):
    state: str
    item: str
    key: str | None = None
    code: str | None = None
    message: str | None = None
    retryable: bool | None = None


class StoredAccount(BaseModel):
    """`jobs/<job>.json`: how the items of the job ended, as its sender wrote it."""

    model_config = ConfigDict(hide_input_in_errors=True)

    schema_: Literal["outbox.job/v1"] = Field(alias="schema")
    written_at: datetime
    total: int
    counts: dict[str, int]
    not_succeeded: list[_Item]

    def failed(self) -> Iterator[Failed]:
        for one in self.not_succeeded:
            yield Failed(
                key=one.key or f"item {one.item}",
                item=one.item,
                code=one.code or one.state.upper(),
                message=one.message or "",
                retryable=one.retryable,
                at=in_utc(self.written_at).isoformat(),
            )


def read_account(bucket: Bucket, job: str) -> StoredAccount | None:
    """None where there is none that can be read. Raises StoreError."""
    try:
        data = bucket.get(account_key(job), max_bytes=_LARGEST_BYTES)
        return StoredAccount.model_validate_json(data)
    except (NotFoundError, ObjectTooLargeError, ValidationError):
        return None

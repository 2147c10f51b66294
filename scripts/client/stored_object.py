"""An object, as far as a listing tells."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredObject:
    """What a listing says of an object; `modified_at` has a time zone."""

    key: str
    size: int
    modified_at: datetime

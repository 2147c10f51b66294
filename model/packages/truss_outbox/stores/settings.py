"""The settings that every kind of bucket has: names, defaults and bounds, declared here alone.

A store's own settings are in `s3/options.py` and `gcs/options.py`; `serving.settings` reads them
all from config.yaml and the environment.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

DEFAULT_CONNECTIONS = 64

Seconds = Annotated[float, Field(gt=0)]


NO_OIDC = (
    "there is no OIDC token, whose file B10_OIDC_TOKEN_PATH would name:"
    " set runtime.oidc.enabled: true in config.yaml"
)


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    endpoint_url: str | None = None
    """Of a store that speaks S3's (or Google's) API; AWS's (or Google's) own when absent."""
    store_timeout_seconds: Seconds = 60
    """For one store call with all its repetitions; then the request is answered 503. A part of a
    large file is a call of its own."""
    store_connect_timeout_seconds: Seconds = 3
    store_read_timeout_seconds: Seconds = 20
    """For one try: how long the store may be silent."""
    store_max_connections: Annotated[int, Field(gt=0)] = DEFAULT_CONNECTIONS

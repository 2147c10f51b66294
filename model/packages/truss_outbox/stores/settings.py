"""The settings that every kind of bucket has: names, defaults and bounds, declared here alone.

A store's own settings are in `s3/options.py` and `gcs/options.py`; `serving.settings` reads them
all from config.yaml and the environment.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

DEFAULT_CONNECTIONS = 64


class Checked:
    """What pydantic checks of a setting, as `pydantic.Field` takes it, and what it makes of it
    `before`. Who opens a store without reading settings, as the companion does, loads no pydantic.
    """

    def __init__(self, *, before: Callable[[Any], Any] | None = None, **bounds: Any) -> None:
        self._before = before
        self._bounds = bounds

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic import BeforeValidator, Field  # noqa: PLC0415

        checks = [BeforeValidator(self._before)] if self._before else [Field(**self._bounds)]
        return handler.generate_schema(Annotated[source, *checks])


Seconds = Annotated[float, Checked(gt=0)]


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
    store_max_connections: Annotated[int, Checked(gt=0)] = DEFAULT_CONNECTIONS

"""From an engine's name to what runs on it."""

from contextlib import AbstractContextManager
from enum import StrEnum

from truss_outbox.contract.errors import ConfigurationError

from .indexing import WorkerEngine


class EngineName(StrEnum):
    """What many workers can be had by."""

    RAY = "ray"
    SPARK = "spark"


def open_engine(
    name: EngineName, address: str | None = None, *, workers: int | None = None
) -> AbstractContextManager[WorkerEngine]:
    """The one at `address`, or one on this machine with so many `workers`.

    Raises ConfigurationError, and with it what is not installed.
    """
    try:
        match name:
            case EngineName.RAY:
                from .on_ray import on_ray  # noqa: PLC0415  # a second

                return on_ray(address, workers=workers)
            case EngineName.SPARK:
                from .on_spark import on_spark  # noqa: PLC0415  # half a second

                return on_spark(address, workers=workers)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "engine", f"{name} is not installed: pip install 'truss-outbox[client,{name}]'"
        ) from error

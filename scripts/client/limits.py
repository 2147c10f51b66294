"""How fast and how much at once: the service's documented limits, unless you say otherwise."""

from dataclasses import dataclass, field

_PATIENCE_HELP = "Seconds without any answer from the service after which sending stops."


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What sending keeps to. The defaults are Baseten's published limits."""

    submits_per_second: float = field(
        default=200.0,
        metadata={
            "min": 0.1,
            "help": "Requests sent in any one second.",
            "envvar": "OUTBOX_SUBMITS_PER_SECOND",
        },
    )
    in_flight: int = field(
        default=5_000,
        metadata={
            "min": 1,
            "help": "Requests queued and running at once, others' included.",
            "envvar": "OUTBOX_IN_FLIGHT",
        },
    )
    patience: float = field(
        default=300.0,
        metadata={"min": 0, "help": _PATIENCE_HELP, "envvar": "OUTBOX_PATIENCE"},
    )


DEFAULT_LIMITS = Limits()

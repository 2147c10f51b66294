"""A process's start, made shorter: it loads hundreds of modules, and they stay."""

import gc
import os


def begin() -> None:
    """Before the others are imported."""
    gc.disable()
    # Of pydantic none is used here: looking through all that is installed takes 0.03 seconds.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def end() -> None:
    """Garbage is collected from here on. What is loaded is none: going through it again and again,
    and at the end, takes 0.08 seconds."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()

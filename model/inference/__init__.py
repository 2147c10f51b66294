"""Documents in, text out: each page is rendered, read, and written to the artifacts wanted."""

from .inference import load
from .request import Request

__all__ = ["Request", "load"]

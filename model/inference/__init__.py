"""Documents in, text out: each page is rendered, read, and written to the artifacts wanted."""

from model.inference.inference import load
from model.inference.request import Request

__all__ = ["Request", "load"]

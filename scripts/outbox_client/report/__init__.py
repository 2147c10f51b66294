"""A job as one page: how many, how fast, what failed and why, what the pages look like."""

from .page import document, lines, page, write
from .survey import Survey, survey
from .thumbnails import Thumbnail, thumbnails

__all__ = ["Survey", "Thumbnail", "document", "lines", "page", "survey", "thumbnails", "write"]

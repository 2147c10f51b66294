"""A job as one page: how many, how fast, what failed and why, what the pages look like."""

from .gather import survey
from .page import page
from .survey import Survey
from .thumbnails import Thumbnail, thumbnails
from .writing import document, lines, write

__all__ = ["Survey", "Thumbnail", "document", "lines", "page", "survey", "thumbnails", "write"]

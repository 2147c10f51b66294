"""A job as one page: how many, how fast, what failed and why, what the pages look like."""

from scripts.client.report.page import page
from scripts.client.report.survey import Survey
from scripts.client.report.surveying import survey
from scripts.client.report.thumbnails import Thumbnail, thumbnails
from scripts.client.report.writing import document, lines, write

__all__ = ["Survey", "Thumbnail", "document", "lines", "page", "survey", "thumbnails", "write"]

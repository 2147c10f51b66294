"""The order in which a page's lines are read: which are columns, tables, headings and notes."""

from .arrange import arrange, without_faint

__all__ = ["arrange", "without_faint"]

"""Fetching and uploading, beside other programs."""

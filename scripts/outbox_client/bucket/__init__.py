"""The bucket as a reader sees it."""

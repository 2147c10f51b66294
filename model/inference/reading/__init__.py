"""From pixels to words, lines and their order."""

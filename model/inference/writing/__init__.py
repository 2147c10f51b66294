"""From what was read to the files that are stored."""

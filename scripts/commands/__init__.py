"""The companion's commands: each parses, calls `scripts.client` and prints."""

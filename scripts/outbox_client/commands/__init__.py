"""The companion's commands: each parses, calls `outbox_client` and prints."""

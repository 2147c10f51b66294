"""The companion."""

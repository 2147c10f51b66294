"""A small server that verifies and stores webhooks (`outbox webhook listen`)."""

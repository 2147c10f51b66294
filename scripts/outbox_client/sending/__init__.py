"""Sending a job's requests, within the service's limits."""

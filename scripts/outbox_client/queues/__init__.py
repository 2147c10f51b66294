"""Queues that a bucket's notifications go to: what was committed is heard of, not looked for."""

"""The sender's record of a job, in SQLite."""

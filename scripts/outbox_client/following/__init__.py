"""Finding out how a job's requests end."""

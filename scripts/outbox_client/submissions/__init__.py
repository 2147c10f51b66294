"""What was sent, in the bucket: so that a job can be followed from any machine."""

"""What the companion's commands cost as a job grows, against a bucket that is made up."""

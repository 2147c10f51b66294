"""A job's results as rows in Parquet files."""

"""What is sent: files, folders, tables, objects."""

"""The V2 format: an index table and data files."""

"""The V1 format: one table file, or several, with headers and rows of values."""

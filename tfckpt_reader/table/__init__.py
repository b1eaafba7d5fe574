"""The table file: blocks of sorted keys and values."""

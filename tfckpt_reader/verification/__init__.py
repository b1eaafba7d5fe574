"""Verification: the problems of a checkpoint, under stable codes."""

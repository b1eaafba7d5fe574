"""Verification: what is wrong with a checkpoint, under stable codes."""

"""Readers of the two checkpoint formats."""

"""Tensors and graphs as facts, for JSON, and as lines, for a terminal.

Prints nothing.
"""

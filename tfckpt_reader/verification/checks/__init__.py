"""Checks of a checkpoint: one module per kind of file or question.

A check reports problems to `Findings` and returns the established facts. It parses nothing
itself: it calls the readers' own parsers, and collects their errors.
"""

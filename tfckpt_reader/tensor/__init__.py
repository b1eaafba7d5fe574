"""Bytes to elements: dtypes, shapes, slices, and the layouts of elements."""

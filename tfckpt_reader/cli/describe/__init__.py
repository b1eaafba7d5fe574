"""Text that describes tensors and graphs on a terminal."""

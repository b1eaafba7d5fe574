"""Graphs of `.meta` files and SavedModels as plain data; `meta_graph` is the entry point."""

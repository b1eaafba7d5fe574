"""Graphs: what a `.meta` file or a SavedModel says about a model, as plain data.

Nothing but the name of the package; `meta_graph` is where to begin.
"""

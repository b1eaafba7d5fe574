"""Graphs as data: ``.meta`` files, SavedModels and frozen graphs, with nothing of them run.

Rank 0: no code of its own. Bottom up: `kinds` tells which message a file is, `attributes` and
`nodes` decode what a node says, `graph` has the nodes by name and what leads where, `variables` and
`saves` find the checkpoint's key of each variable, `objects` reads the graphs of objects, and
`meta_graph` puts a whole file together.
"""

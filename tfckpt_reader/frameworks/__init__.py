"""Checkpoints and models in the frameworks that compute with them.

One module per framework. Each imports its own framework only, when it is called.
"""

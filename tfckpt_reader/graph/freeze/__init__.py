"""Freezing: a graph of its own, cut to some outputs, with the weights as constants."""

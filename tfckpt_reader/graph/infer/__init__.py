"""Guesses at the inputs and outputs of a graph without a signature."""

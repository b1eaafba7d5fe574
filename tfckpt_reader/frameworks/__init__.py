"""Checkpoints as the tensors of PyTorch and JAX, and as the weights of Keras models.

One module per framework. Each imports its own framework only, when it is called.
"""

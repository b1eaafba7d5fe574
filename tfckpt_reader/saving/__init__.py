"""Saving: checkpoints that TensorFlow restores."""

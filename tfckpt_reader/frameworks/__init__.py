"""Checkpoints and models in the frameworks that compute with them."""

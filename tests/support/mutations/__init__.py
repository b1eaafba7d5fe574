"""Checkpoints changed at random, their checksums put right again."""

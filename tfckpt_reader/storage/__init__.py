"""Bytes of files: reading, mapping, threads, atomic writing."""

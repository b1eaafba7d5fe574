"""Encodings of numbers and messages, and checksums."""

"""From the messages of a graph file to plain values."""

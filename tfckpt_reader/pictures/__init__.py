"""Pictures of a graph: an event file for TensorBoard, and Graphviz DOT.

Rank 13: the names that others use.
"""

from tfckpt_reader.pictures.dot import to_dot
from tfckpt_reader.pictures.event_file import EventFile, write_event_file

__all__ = ["EventFile", "to_dot", "write_event_file"]

"""Pictures of a graph: an event file for TensorBoard, and Graphviz DOT."""

from tfckpt_reader.graph.render.dot import to_dot
from tfckpt_reader.graph.render.event_file import EventFile, write_event_file

__all__ = ["EventFile", "to_dot", "write_event_file"]

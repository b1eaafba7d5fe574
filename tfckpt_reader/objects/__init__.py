"""The object graph of a checkpoint or SavedModel: objects, and the keys of their values."""

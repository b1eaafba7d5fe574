"""The object graph of a checkpoint: which object owns which tensor."""

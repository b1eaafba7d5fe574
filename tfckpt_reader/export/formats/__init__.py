"""The formats that tensors are exported to, a module each."""

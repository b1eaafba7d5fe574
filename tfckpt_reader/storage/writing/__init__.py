"""Writing files: at offsets, whole or not at all, here or in a store."""

"""Finding checkpoints: names of files, state files, folders."""

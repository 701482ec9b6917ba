"""What is on disk: runs, checkpoints, rows, cells, packages."""

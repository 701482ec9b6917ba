"""Files on disk: runs, checkpoints, rows of metrics, cells of evaluations, packages."""

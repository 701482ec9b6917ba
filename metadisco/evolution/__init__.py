"""Running a search with a run directory: recording, progress display, deadlines and interruption."""

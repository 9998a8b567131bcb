"""Where state lives: paths, events, artifacts, the SQLite index."""

"""Runs as detached processes: submit, watch, stop, resume, recover."""

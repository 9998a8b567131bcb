"""The ground: errors, whole-or-nothing files, hashes, YAML with line numbers, version.

Imports nothing of ours and nothing heavy.
"""

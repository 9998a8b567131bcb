"""Engines: what generates tokens from a model folder. They get token ids.

`protocol` says what an engine is; `blocking.open_engine` is the plain way to one.
"""

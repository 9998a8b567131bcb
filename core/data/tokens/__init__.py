"""Rows as token ids with a mask: rendered, cut where they are too long, proved, written, shown."""

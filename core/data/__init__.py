"""From files to a dataset: read, detect the layout, check, split, render, report."""

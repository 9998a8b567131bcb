"""From a path in the recipe to records: find the files, look at what they are, read them row by row."""

"""Find and load a base model; hardware; the dataset's files. Nothing heavy is imported before it is used."""

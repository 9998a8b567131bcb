"""The typed recipe: one YAML file that says everything."""

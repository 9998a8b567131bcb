"""The two faces: the command line and the terminal app. Both call core, neither holds logic."""

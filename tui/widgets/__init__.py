"""One widget per file, each with its stylesheet. They show view models and ask through messages."""

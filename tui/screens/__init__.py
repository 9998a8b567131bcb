"""One screen per file, each with its stylesheet; imported when it is first opened."""

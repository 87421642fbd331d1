"""The environment and the files of the instance folder, and parsers of what makes sense together alone."""

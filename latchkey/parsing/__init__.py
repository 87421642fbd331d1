"""Where settings are read from, and parsers of those that make sense together alone."""

"""How each system writes what it has, read into one form."""

"""What a server process does beside its requests."""

"""Apps that came from another system, and what they go on being known by."""

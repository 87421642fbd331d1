"""Who people are upstream, and the sessions that rest on its word."""

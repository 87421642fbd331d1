"""Users: passwords, sessions, mailed links, and what is counted against guessing."""

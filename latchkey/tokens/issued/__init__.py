"""Access and refresh tokens: what apps are issued, and what they exchange for it."""

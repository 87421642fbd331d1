"""What people do on a bad day."""

from portal.security import canaries, hacked

__all__ = ["canaries", "hacked"]

"""What people do on a bad day."""

from portal.security import hacked

__all__ = ["hacked"]

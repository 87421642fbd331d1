"""The authorization endpoint: the request, who is asked, what is granted."""

from oauth.authorize import consent, deciding, pending

__all__ = ["consent", "deciding", "pending"]

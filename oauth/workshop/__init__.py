"""The workshop: an app's owner runs its flow, one request after the other, and breaks it on purpose."""

from oauth.workshop import page

__all__ = ["page"]

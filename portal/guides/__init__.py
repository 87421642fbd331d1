"""The guides, their search, the API's reference and the explanation of requests."""

from portal.guides import caching, explain, gateways, index, secrets, your_api

__all__ = ["caching", "explain", "gateways", "index", "secrets", "your_api"]

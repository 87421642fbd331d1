"""The guides, their search, the API's reference and the explanation of requests."""

from portal.guides import agents, explain, gateways, index, kept, markdown, secrets, your_api

__all__ = ["agents", "explain", "gateways", "index", "kept", "markdown", "secrets", "your_api"]

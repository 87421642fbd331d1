"""OAuth apps: one's own, and those that act for oneself."""

from portal.apps import authorized, detail, end, index, least, logo, preview, proof, uris

__all__ = ["authorized", "detail", "end", "index", "least", "logo", "preview", "proof", "uris"]

"""An app proves itself by keys of its own, in place of a secret (private_key_jwt)."""

"""The domain: Latchkey's records and the verbs on them, which know no HTTP request."""

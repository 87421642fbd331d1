"""Users, apps, authorizations and token digests as lines of JSON: out of here, and in from here or elsewhere."""

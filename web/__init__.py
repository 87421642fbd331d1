"""HTTP plumbing that every door shares: headers, log line, errors, assets, sign-in. Only `app` imports it."""

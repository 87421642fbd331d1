"""HTTP plumbing: headers, log line, errors, assets, sign-in. Blueprints import its kit, only `app` the rest."""

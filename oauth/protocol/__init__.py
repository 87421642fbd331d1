"""What every endpoint stands on: parameters, clients, Authlib's server, answers."""

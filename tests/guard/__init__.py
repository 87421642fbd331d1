"""The guard that services use, without and with a running Latchkey."""

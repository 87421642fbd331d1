"""Runs the application behind the server's asynchronous interface."""

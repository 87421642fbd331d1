"""Traces for OpenTelemetry: one span a request, and what it waited for. Nothing of it is loaded unless they are on."""

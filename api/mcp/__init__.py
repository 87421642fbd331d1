"""The MCP server: what a developer asks of a portal, as tools for programs that people talk to."""

from api.mcp import endpoint, tools

__all__ = ["endpoint", "tools"]

"""Redirect URIs of known native apps whose schemes have no dot: exactly these may be registered (RFC 8252 §7.1).

A scheme is claimed by whoever installs it, so each address stands here whole, with the place where its maker names it.
"""

ADDRESSES = {
    # Cursor: https://cursor.com/docs/mcp, "Static OAuth for remote servers"
    "cursor://anysphere.cursor-mcp/oauth/callback": "Cursor",
    # Visual Studio Code: https://github.com/microsoft/vscode, extensions/github-authentication/src/githubServer.ts
    "vscode://vscode.github-authentication/did-authenticate": "Visual Studio Code",
    "vscode-insiders://vscode.github-authentication/did-authenticate": "Visual Studio Code Insiders",
    # Warp: https://github.com/warpdotdev/warp, the handler of its deep links to MCP servers
    "warp://mcp/oauth2callback": "Warp",
}

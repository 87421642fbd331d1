"""A service of nobody's library: WSGI from Python itself, closed by the one file in guard/."""

import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIServer, make_server

# Yours lies beside your code: cp guard/latchkey_guard.py .
sys.path.append(str(Path(__file__).resolve().parents[2] / "guard"))
from latchkey_guard import Guard

PORT = int(os.environ.get("PORT", "8080"))
guard = Guard(
    os.environ.get("PORTAL", "http://127.0.0.1:5000"),
    client_id=os.environ["CLIENT_ID"],
    client_secret=os.environ["CLIENT_SECRET"],
)


def weather(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """The weather, for whoever the guard let in."""
    start("200 OK", [("Content-Type", "application/json"), ("Cache-Control", "no-store")])
    return [json.dumps({"for": environ.get("HTTP_X_AUTH_EMAIL", ""), "sky": "clear"}).encode() + b"\n"]


def scope_of(_method: str, path: str) -> str | None:
    """What a path takes: nothing to say that it is there, a scope for everything else."""
    return None if path == "/health" else "account:read"


class Server(ThreadingMixIn, WSGIServer):
    """A thread a request; in earnest use gunicorn, uvicorn or granian."""

    daemon_threads = True


if __name__ == "__main__":
    with make_server("127.0.0.1", PORT, guard.wsgi(weather, scope_of), Server) as server:
        server.serve_forever()

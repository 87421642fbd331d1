"""The projects API behind a gateway that has asked Latchkey, and says in headers who calls.

Whoever reaches this program directly can pretend to be anybody: it listens where only the
gateway reaches it.
"""

from collections import defaultdict
from typing import Any

from flask import Flask, abort, request

app = Flask(__name__)

# By the user's id. In memory, to keep the example short: yours are in your database.
projects: dict[str, list[dict[str, Any]]] = defaultdict(list)


def caller() -> str:
    """Whose token it is. An app that acts as itself has no user, and so no projects."""
    return request.headers.get("X-Auth-User-Id") or abort(403)


@app.get("/projects/")
def list_projects() -> dict[str, Any]:
    """The caller's projects. The gateway let nobody through who lacks projects:read."""
    return {"data": projects[caller()]}


@app.post("/projects/")
def create_project() -> tuple[dict[str, Any], int]:
    """A new project. The gateway let nobody through who lacks projects:write."""
    mine = projects[caller()]
    project = {"id": len(mine) + 1, "name": str(request.get_json()["name"])}
    mine.append(project)
    return project, 201


@app.get("/public/hello")
def hello() -> dict[str, str]:
    """Open to everybody: the gateway asks nobody here."""
    return {"hello": "world"}

"""GET and POST /v1/projects: a resource of our own, behind scopes of our own."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, mapped_column

from api.kit import answers, auth, fields
from api.kit.blueprint import blueprint
from api.kit.bodies import Body
from api.kit.describe import Operation, Shape, describe, moment, text
from latchkey.ids import new_id
from latchkey.store.session import Base, db, stamp
from web.calls import Call, Reply

LONGEST_NAME = 80


class Project(Base):
    """Something that a user works on."""

    __tablename__ = "project"

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("prj"))
    owner_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    created_at: Mapped[datetime] = mapped_column(default=stamp)


PROJECT = Shape(
    "Project",
    {
        "id": text("Never changes."),
        "name": text("What it is called."),
        "created_at": moment("When it was made."),
    },
    {
        "id": "prj_01a2139af1f70000929f0f289854",
        "name": "Harbour survey",
        "created_at": "2026-11-23T14:41:07.319609Z",
    },
)
NEW_PROJECT = Body(
    "NewProject",
    name=fields.line("What to call it.", longest=LONGEST_NAME, example="Harbour survey", required=True),
)


def _shown(project: Project) -> dict[str, Any]:
    return {"id": project.id, "name": project.name, "created_at": answers.moment(project.created_at)}


@blueprint.get("/v1/projects")
@auth.require_scope("projects:read")
@describe(
    Operation(
        summary="List projects",
        group="Projects",
        answer="The user's projects, the newest first.",
        shape=PROJECT,
        listed=True,
    )
)
def list_projects(call: Call) -> Reply:
    """All of them."""
    mine = select(Project).where(Project.owner_id == auth.user_of(call.bearer).id).order_by(Project.id.desc())
    return answers.shown({"data": [_shown(project) for project in db.scalars(mine)], "next_cursor": None})


@blueprint.post("/v1/projects")
@auth.require_scope("projects:write")
@describe(
    Operation(
        summary="Create a project",
        group="Projects",
        status=201,
        answer="The project.",
        shape=PROJECT,
        body=NEW_PROJECT,
    )
)
def create_project(call: Call) -> Reply:
    """A new project of the user's."""
    project = Project(owner_id=auth.user_of(call.bearer).id, **NEW_PROJECT.read())
    db.add(project)
    db.commit()
    return answers.changed(_shown(project), 201)

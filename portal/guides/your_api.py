"""The guides for operators: an API of one's own, in three ways, shown by the very files that the tests run."""

from functools import cache

from flask import render_template

from latchkey.settings import ROOT
from portal.blueprint import blueprint

EXAMPLES = ROOT / "examples" / "projects"


@cache
def example(file: str) -> str:
    """A file of the worked example, as it stands."""
    return (EXAMPLES / file).read_text(encoding="utf-8")


@blueprint.get("/docs/your-api")
def guide_your_api() -> str:
    """The three ways, and the scopes that they share."""
    return render_template("guides/your-api.html", example=example)


@blueprint.get("/docs/your-api/inside")
def guide_your_api_inside() -> str:
    """An API inside the portal, as a file in `api/`."""
    return render_template("guides/your-api-inside.html", example=example)


@blueprint.get("/docs/your-api/gateway")
def guide_your_api_gateway() -> str:
    """Behind nginx, which asks /oauth/check."""
    return render_template("guides/your-api-gateway.html", example=example)


@blueprint.get("/docs/your-api/service")
def guide_your_api_service() -> str:
    """A service that asks /oauth/introspect."""
    return render_template("guides/your-api-service.html", example=example)

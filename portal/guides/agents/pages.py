"""/docs/agents: how agents are connected to the MCP server here and to the operator's own APIs."""

from collections.abc import Callable, Collection
from typing import Protocol

from flask import Flask, current_app, render_template

from latchkey import resources, settings
from portal.blueprint import blueprint
from portal.guides.agents.known import AGENTS, Agent

TOOLS = "latchkey.tools"


class Tool(Protocol):
    """What the MCP server says of one of its tools."""

    @property
    def name(self) -> str: ...
    @property
    def about(self) -> str: ...
    @property
    def scopes(self) -> frozenset[str]: ...


def tell_of(app: Flask, tools: Collection[Tool]) -> None:
    """Name the tools of the MCP server to the guide."""
    app.extensions[TOOLS] = tools


@blueprint.get("/docs/agents")
def guide_agents() -> str:
    """What an agent finds here, and which ways of registering are open."""
    return render_template(
        "guides/agents.html",
        tools=current_app.extensions[TOOLS],
        agents=AGENTS.values(),
        server=resources.mcp(),
        others=resources.operators(),
        ours=settings.current(),
    )


@blueprint.app_template_global()
def known_agents() -> list[tuple[str, str]]:
    """Name and title of each, for the list of guides."""
    return [(agent.name, agent.title) for agent in AGENTS.values()]


def _page(agent: Agent) -> Callable[[], str]:
    def show() -> str:
        return render_template(
            "guides/agent.html",
            agent=agent,
            server=resources.mcp(),
            others=resources.operators(),
            ours=settings.current(),
        )

    return show


for each in AGENTS.values():
    blueprint.get(f"/docs/agents/{each.name}", endpoint=f"guide_agent_{each.name.replace('-', '_')}")(_page(each))

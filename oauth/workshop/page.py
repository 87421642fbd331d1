"""“Run the flow” on an app's page: a form, and every step of the last run.

A GET changes nothing. A run belongs to the app's owner, who is the only person in it.
"""

from datetime import timedelta

from flask import Response, abort, request
from werkzeug.wrappers import Response as BaseResponse

from latchkey import clients, scopes
from latchkey.accounts import throttle
from latchkey.accounts.sessions import BrowserSession
from latchkey.accounts.throttle import Counter
from latchkey.clients import Client
from latchkey.journal import refusals
from latchkey.store.session import db
from latchkey.values import Limit
from oauth.blueprint import blueprint
from oauth.device.question import answering
from oauth.workshop import faults
from oauth.workshop.running import Run, Wish
from oauth.workshop.steps import Step
from web import htmx

# Of one person: each issues tokens and writes a dozen rows.
RUNS = (Limit(30, timedelta(minutes=5)),)
REFUSALS_SHOWN = 20


@blueprint.get("/apps/<id:client_id>/run")
def show_run(client_id: str) -> BaseResponse:
    """The form, with everything as it should be."""
    here = answering()
    if not isinstance(here, BrowserSession):
        return here
    client = _own(here, client_id)
    db.commit()
    return _page(client, here, Wish(client.redirect_uris[0], client.askable, "", _foreign(client) or ""))


@blueprint.post("/apps/<id:client_id>/run")
def run_app(client_id: str) -> BaseResponse:
    """Run it once, from the first request to the last."""
    here = answering()
    if not isinstance(here, BrowserSession):
        return here
    client = _own(here, client_id)
    wish = _wish(client)
    db.commit()
    if not wish.scopes:
        return _page(client, here, wish, wrong="Choose at least one scope.")
    throttle.admit(Counter(f"workshop:{here.user_id}", RUNS))
    return _page(client, here, wish, Run(client, here, wish).go())


def _own(here: BrowserSession, client_id: str) -> Client:
    """Anybody else's app is no page (J-01)."""
    return clients.get_for(here.user, client_id) or abort(404)


def _foreign(client: Client) -> str | None:
    return next((name for name in scopes.catalogue() if name not in client.askable), None)


def _wish(client: Client) -> Wish:
    """What the form asks for; what is not on it is as if it had been left as it was."""
    foreign = _foreign(client)
    redirect_uri, fault = request.form.get("redirect", ""), request.form.get("fault", "")
    return Wish(
        redirect_uri if redirect_uri in client.redirect_uris else client.redirect_uris[0],
        frozenset(request.form.getlist("scope")) & client.askable,
        fault if fault in faults.of(client, foreign) else "",
        foreign or "",
    )


def _page(
    client: Client, here: BrowserSession, wish: Wish, steps: list[Step] | None = None, *, wrong: str = ""
) -> Response:
    answer = htmx.render(
        "oauth/workshop/index.html",
        "oauth/workshop/_steps.html",
        422 if wrong else 200,
        client=client,
        user=here.user,
        wish=wish,
        faults=faults.of(client, wish.foreign or None),
        askable=sorted(client.askable),
        steps=steps or [],
        wrong=wrong,
        refused=refusals.list_for(client, REFUSALS_SHOWN),
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer

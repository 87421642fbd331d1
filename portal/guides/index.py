"""The guides: which way to call the API, the code flow, the scopes, the reference. Readable signed out."""

import shlex
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from flask import Flask, current_app, redirect, render_template, request, url_for
from flask_login import current_user
from markupsafe import Markup
from werkzeug.wrappers import Response

from latchkey import clients, settings, tokens
from latchkey.journal import advice
from latchkey.naming import listed
from portal.blueprint import blueprint
from portal.guides import reference, search
from portal.guides.kept import kept, readable


class Sample(NamedTuple):
    """The app in the examples of the OAuth guide."""

    client_id: str
    redirect_uri: str
    scope: str
    confidential: bool
    # Whether it signs in place of sending a secret.
    keyed: bool = False

    @property
    def answered(self) -> str:
        """The redirect URI up to where the answer's parameters begin (RFC 6749 §3.1.2: its own query stays)."""
        return self.redirect_uri + ("&" if "?" in self.redirect_uri else "?")

    @property
    def quoted(self) -> str:
        """The redirect URI as a shell takes it."""
        return shlex.quote(self.redirect_uri)


class Reference(NamedTuple):
    """The calls of the API by group, rendered."""

    groups: list[str]
    page: Markup


def _sample() -> Sample:
    """The reader's newest app, or one that nobody has."""
    mine = clients.list_for(current_user.user) if current_user.is_authenticated else []
    if not mine:
        return Sample("YOUR_CLIENT_ID", "https://app.example.com/callback", "account:read", confidential=True)
    app = mine[0]
    # What the example calls takes account:read; an app without it may not ask for it.
    scope = min(app.scopes, key=lambda name: (name != "account:read", name), default="account:read")
    return Sample(app.id, app.redirect_uris[0], scope, app.confidential, app.keyed)


@blueprint.get("/docs")
def list_guides() -> Response:
    return redirect(url_for("portal.guide_authentication"), 303)


@blueprint.get("/docs/authentication")
def guide_authentication() -> str:
    """Token or OAuth, and developer tokens step by step."""
    ours = settings.current()
    return render_template(
        "guides/authentication.html",
        prefix=ours.token_prefix,
        max_days=tokens.lifetimes.bound(),
        pictures=(Path(current_app.root_path) / "static" / "guides" / "new-token.webp").is_file(),
    )


@blueprint.get("/docs/tokens")
def find_tokens() -> Response:
    """Where the guides tell of developer tokens."""
    return redirect(url_for("portal.guide_authentication", _anchor="steps"), 303)


@blueprint.get("/docs/errors")
def find_errors() -> Response:
    """Where the reference tells of each kind of refusal."""
    return redirect(url_for("portal.guide_api", _anchor="problems"), 303)


@blueprint.get("/docs/oauth")
def guide_oauth() -> str:
    """The authorization code flow with the requests and answers spelled out."""
    return render_template("guides/oauth.html", prefix=settings.current().token_prefix, example=_sample())


@blueprint.get("/docs/scopes")
def guide_scopes() -> str:
    """The catalogue, with the calls that need each scope."""
    needing = defaultdict(list)
    for call in reference.calls():
        for scope in call.scopes:
            needing[scope].append(call)
    return render_template("guides/scopes.html", parts=listed.by_resource(), calls=needing)


@blueprint.get("/docs/api")
def guide_api() -> str:
    """The reference, made from the OpenAPI document."""
    # To who is not signed in it always reads alike, so the long part is rendered once.
    listed = _reference(personal=True) if current_user.is_authenticated else kept("reference", _reference)
    return render_template("guides/api.html", document=reference.document(), listed=listed, coded=reference.coded)


def _reference(*, personal: bool = False) -> Reference:
    grouped: dict[str, list[reference.Call]] = defaultdict(list)
    for call in reference.calls(personal=personal):
        grouped[call.group].append(call)
    answers = (answer for calls in grouped.values() for call in calls for answer in call.answers)
    refusal = next((answer.example for answer in answers if answer.status == "403"), "")
    page = render_template(
        "guides/_reference.html", groups=grouped, refusal=refusal, coded=reference.coded, problems=advice.PROBLEMS
    )
    return Reference(list(grouped), Markup(page))  # noqa: S704 - our own template, escaped as any


def _index() -> search.Index:
    return search.Index(search.sections(search.pages()))


def prepare(app: Flask) -> None:
    """Make what is made once before anybody waits for it."""
    with app.test_request_context():
        kept("guides", _index)


@blueprint.get("/docs/search")
def search_guides() -> str:
    """Sections of the guides that hold all the words asked for."""
    asked = request.args.get("q", "")[:80].replace("\x00", "")
    found = [each for each in kept("guides", _index).find(asked) if readable(each.section.url)]
    return render_template("guides/search.html", asked=asked, found=found)

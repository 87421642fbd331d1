"""“Explain this request”: which token a failing call used, what the rule was, and what to do."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from wtforms import TextAreaField
from wtforms.validators import DataRequired, Length

from latchkey import access, clock, credentials, scopes, settings, tokens
from latchkey.credentials import Kind
from latchkey.tokens import Token
from portal import reference
from portal.blueprint import blueprint
from portal.guards import signed_in
from portal.htmx import render

LONGEST = 20_000
CREDENTIAL = re.compile(r"[A-Za-z][A-Za-z0-9]{1,9}_(?:dev|oat|ort|sec)_[0-9A-Za-z]{1,80}")
METHOD = re.compile(r"(?:-X|--request)[ =]*'?\"?([A-Za-z]{3,7})\b")
ADDRESS = re.compile(r"https?://[^\s'\"\\<>]{1,2000}")
STATUS = re.compile(r"(?:HTTP/[\d.]+ |\"status\": ?)(\d{3})")
BODY = re.compile(r"(?:^|\s)(?:-d|--data|--data-\w+|--json|-F)\b")


class ExplainForm(FlaskForm):
    """The text that somebody pastes."""

    text = TextAreaField(
        "Request or answer",
        validators=[
            DataRequired("Paste a curl line or an answer."),
            Length(max=LONGEST, message="Paste at most 20,000 characters."),
        ],
    )


class Finding(NamedTuple):
    """One sentence about the request: `ok`, `bad` or `info`, and where to go if somewhere."""

    kind: str
    text: str
    url: str = ""
    label: str = ""


@blueprint.route("/docs/explain", methods=["GET", "POST"])
@signed_in
def explain_request() -> ResponseReturnValue:
    """Explain what was pasted. Nothing of it is kept, and credentials in it are masked in the answer."""
    form = ExplainForm()
    if request.method == "GET":
        return render_template("guides/explain.html", form=form, findings=())
    pasted = form.text.data or ""
    form.text.data = masked(pasted)
    if not form.validate():
        return render("guides/explain.html", "guides/_explain.html", 422, form=form, findings=())
    findings = explain(pasted)
    return render("guides/explain.html", "guides/_explain.html", form=form, findings=findings)


def masked(text: str) -> str:
    """The text without anything that could be a credential."""
    return CREDENTIAL.sub(lambda found: f"{found[0][:7]}…", text)


def explain(text: str) -> list[Finding]:
    """What there is to say about a curl line or an answer."""
    findings: list[Finding] = []
    token = _about_credential(text, findings)
    call = _about_address(text, findings)
    if token is not None and call is not None:
        _about_scopes(token, call, findings)
    status = STATUS.search(text)
    if status and status[1] in _STATUSES:
        findings.append(Finding("info", _STATUSES[status[1]]))
    if not findings:
        findings.append(Finding("info", "We found neither a credential nor an address of this API in what you pasted."))
    return findings


_STATUSES = {
    "401": "401 means that the token itself does not work: it is unknown, has expired or was revoked.",
    "403": "403 means that the token works but lacks a scope. The answer's “fix_url” leads to a form with it ticked.",
    "404": "404 means that there is no such thing, or that it is somebody else's: the answer does not tell.",
    "422": "422 means that a field was not as it should be. “errors” in the answer names it.",
    "429": "429 means too many calls. “Retry-After” says how many seconds to wait.",
}


def _about_credential(text: str, findings: list[Finding]) -> Token | None:
    pasted = CREDENTIAL.findall(text)
    if not pasted:
        if "authorization:" in text.casefold() and "bearer" not in text.casefold():
            findings.append(Finding("bad", "The Authorization header is not of the form “Bearer <token>”."))
        elif ADDRESS.search(text):
            findings.append(Finding("info", "There is no token in what you pasted."))
        return None
    plaintext = pasted[0]
    kind = credentials.kind_of(plaintext)
    if kind is None:
        findings.append(
            Finding("bad", "The token is not well-formed: a character is missing or wrong, or it is of another portal.")
        )
    elif kind in (Kind.REFRESH, Kind.SECRET):
        what = "a refresh token" if kind is Kind.REFRESH else "a client secret"
        findings.append(Finding("bad", f"This is {what}. The API takes developer tokens and access tokens only."))
    elif f"bearer {plaintext}".casefold() not in " ".join(text.casefold().split()):
        findings.append(Finding("bad", "A token works only in the header “Authorization: Bearer <token>”."))
        return _own(plaintext, findings)
    else:
        return _own(plaintext, findings)
    return None


def _own(plaintext: str, findings: list[Finding]) -> Token | None:
    token = tokens.find(plaintext, *access.BEARERS)
    if token is None or token.user_id != current_user.user.id:
        findings.append(Finding("info", "The token is none of yours, so this page says nothing about it."))
        return None
    name = f"“{token.description}”" if token.description else "an access token of an app that you authorized"
    url = (
        url_for("portal.show_token", token_id=token.id)
        if token.kind == Kind.DEVELOPER and not token.successor_id
        else ""
    )
    try:
        access.find(plaintext)
    except access.InvalidToken as refusal:
        findings.append(Finding("bad", f"The token is {name}. {refusal}", url, "Look at it" if url else ""))
        return None
    left = f" It works for {(token.expires_at - clock.now()).days} days more." if token.expires_at else ""
    findings.append(Finding("ok", f"The token is {name}, and it works.{left}", url, "Look at it" if url else ""))
    return token


def _about_address(text: str, findings: list[Finding]) -> reference.Call | None:
    found = ADDRESS.search(text)
    if found is None:
        return None
    if not found[0].startswith(settings.current().base_url + "/"):
        findings.append(
            Finding("bad", f"The address is not one of ours: the API is at {settings.current().base_url}/v1.")
        )
        return None
    if CREDENTIAL.search(found[0]) or "access_token=" in found[0]:
        findings.append(
            Finding("bad", "There is a token in the address. The API looks only at the Authorization header.")
        )
    given = METHOD.search(text)
    method = given[1].upper() if given else "POST" if BODY.search(text) else "GET"
    call, others = _call(urlsplit(found[0]).path, method)
    if call is None:
        said = f"This address takes {', '.join(others)}, not {method}." if others else "The API has no such address."
        findings.append(Finding("bad", said, url_for("portal.guide_api"), "Read the reference"))
    return call


def _call(path: str, method: str) -> tuple[reference.Call | None, list[str]]:
    """The call that answers there, or the methods that would be answered."""
    known = reference.calls()
    rules = [
        Rule(re.sub(r"\{(\w+)\}", r"<\1>", call.template), methods=[call.method], endpoint=call.id) for call in known
    ]
    adapter = Map(rules, strict_slashes=False).bind("")
    others = sorted(set(adapter.allowed_methods(path)) - {"HEAD", "OPTIONS"}) if path else []
    try:
        endpoint, _ = adapter.match(path, method)
    except HTTPException:
        return None, others
    return next(call for call in known if call.id == endpoint), others


def _about_scopes(token: Token, call: reference.Call, findings: list[Finding]) -> None:
    needed, held = frozenset(call.scopes), token.scopes
    named = ", ".join(call.scopes)
    if needed <= held:
        what = f"needs {named}, which the token has" if needed else "needs no scope"
        findings.append(Finding("ok", f"{call.method} {call.template} {what}."))
        return
    missing = scopes.serialize(needed - held)
    have = scopes.serialize(held)
    url = url_for("portal.new_token", scopes=scopes.serialize(held | needed))
    findings.append(
        Finding(
            "bad",
            f"{call.method} {call.template} needs {named}. The token lacks {missing}; it has {have}.",
            url,
            "Make one with it",
        )
    )

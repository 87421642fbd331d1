"""“Explain this request”: which token a failing call used, what the rule was, and what to do."""

import re

from flask import render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user
from flask_wtf import FlaskForm
from wtforms import TextAreaField
from wtforms.validators import DataRequired, Length

from latchkey import clock, credentials, scopes, settings, tokens
from latchkey.credentials import Kind
from latchkey.tokens import Token, access
from portal.blueprint import blueprint
from portal.guards import signed_in
from portal.guides import explain_answers, explain_calls, masking, reference
from portal.guides.explain_words import Finding
from web.htmx import render

# Where apps prove themselves in another way.
WITHOUT_TOKEN = ("/oauth/", "/.well-known/")
LONGEST = 20_000
# What the guides and README write in place of a token.
VARIABLE = re.compile(r"(?:(')authorization:\s*)?bearer\s+\$\{?([A-Za-z_]\w{0,40})", re.IGNORECASE | re.ASCII)


class ExplainForm(FlaskForm):
    """The text that somebody pastes."""

    text = TextAreaField(
        "Request or answer",
        validators=[
            DataRequired("Paste a curl line or an answer."),
            Length(max=LONGEST, message="Paste at most 20,000 characters."),
        ],
    )


@blueprint.route("/docs/explain", methods=["GET", "POST"])
@signed_in
def explain_request() -> ResponseReturnValue:
    """Explain what was pasted. Nothing of it is kept, and credentials in it are masked in the answer."""
    form = ExplainForm()
    if request.method == "GET":
        return render_template("guides/explain.html", form=form, findings=())
    pasted = form.text.data or ""
    form.text.data = masking.masked(pasted)
    if not form.validate():
        return render("guides/explain.html", "guides/_explain.html", 422, form=form, findings=())
    findings = explain(pasted)
    return render("guides/explain.html", "guides/_explain.html", form=form, findings=findings)


def explain(text: str) -> list[Finding]:
    """What there is to say about a curl line or an answer."""
    documents, rest = explain_answers.split(text)
    asked = explain_answers.without_headers(rest)
    findings: list[Finding] = []
    # Who pastes a request wants to know of its token; in an answer alone there is none, and nothing is missing.
    token = _about_credential(text, findings, asked=bool(explain_calls.ADDRESS.search(asked)))
    call = explain_calls.about(asked, findings)
    if token is not None and call is not None:
        _about_scopes(token, call, findings)
    findings += explain_answers.about(documents, text)
    if not findings:
        findings.append(Finding("info", "We found neither a credential nor an address of this API in what you pasted."))
    return findings


def _about_credential(text: str, findings: list[Finding], *, asked: bool) -> Token | None:
    pasted, lower = credentials.spotted(text), text.casefold()
    if not pasted:
        if masking.JWT.search(text):
            begin = f"{settings.current().token_prefix}_{Kind.DEVELOPER}_"
            findings.append(
                Finding("bad", f"There is a JWT in it, which is no token of ours: those begin with {begin}.")
            )
        elif "authorization:" in lower and not any(word in lower for word in ("bearer", "authorization: basic")):
            findings.append(Finding("bad", "The Authorization header is not of the form “Bearer <token>”."))
        elif asked and not any(path in lower for path in WITHOUT_TOKEN):
            findings.append(_without_token(text))
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


def _without_token(text: str) -> Finding:
    begin = f"{settings.current().token_prefix}_"
    if variable := VARIABLE.search(text):
        name = variable[2]
        if variable[1]:
            said = f"Between single quotes the shell sends ${name} as it stands. Write the header in double quotes."
            return Finding("bad", said)
        return Finding(
            "info",
            f"The token stands in the shell's variable {name}. If the answer is 401, look whether it is there: "
            f'echo "${{{name}:0:{len(begin)}}}" writes {begin}',
        )
    return Finding(
        "info",
        "There is no token in what you pasted. A call with one has the header “Authorization: Bearer <token>”.",
        url_for("portal.guide_authentication"),
        "Read the guide",
    )


def _own(plaintext: str, findings: list[Finding]) -> Token | None:
    token = tokens.find(plaintext, *access.BEARERS)
    if token is None or token.user_id != current_user.user.id:
        findings.append(Finding("info", "No token of yours, so this page says nothing about it."))
        return None
    name = f"“{token.description}”" if token.description else "an access token of an app that you authorized"
    here = token.successor_id or token.id
    url = url_for("portal.show_token", token_id=here) if token.kind == Kind.DEVELOPER else ""
    try:
        access.find(plaintext, bound=False)
    except access.InvalidToken as refusal:
        findings.append(Finding("bad", f"The token is {name}. {refusal}", url, "Look at it" if url else ""))
        return None
    left = f" It works for {(token.expires_at - clock.now()).days} days more." if token.expires_at else ""
    findings.append(Finding("ok", f"The token is {name}, and it works.{left}", url, "Look at it" if url else ""))
    if token.allowed_addresses:
        ranges = ", ".join(token.allowed_addresses.split())
        findings.append(Finding("info", f"It works from {ranges} alone. From elsewhere it is answered as unknown."))
    return token


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

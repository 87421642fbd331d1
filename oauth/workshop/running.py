"""The code flow of an app, run by its owner as themselves: by the functions that the endpoints call, step after step.

Nobody else's consent is part of it: what is granted is the owner's own access, under no authorization, and ends when
the last step is done. Latchkey keeps only digests of secrets and no private key, so for the right proof it vouches for
the app itself; a wrong one is really tried.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn, cast
from urllib.parse import parse_qs, urlsplit

from authlib.oauth2 import OAuth2Error
from werkzeug.datastructures import MultiDict

from latchkey import credentials, grants, resources, scopes
from latchkey.accounts.sessions import BrowserSession
from latchkey.clients import Client
from latchkey.grants import EndReason, trials
from latchkey.journal import refusals
from latchkey.store.session import db
from oauth.authorize import granting
from oauth.authorize import request as asking
from oauth.authorize.request import Stopped
from oauth.endpoints import check
from oauth.protocol import answers, parties, server, signed
from oauth.protocol.parameters import Form, Presented
from oauth.token import flows, pkce
from oauth.workshop import proofs, steps
from oauth.workshop.faults import FAULTS
from oauth.workshop.steps import Step
from web.calls import Call, Reply

NOWHERE = "https://api.nowhere.example/"
AUTHORIZE, TOKEN = "/oauth/authorize", "/oauth/token"
TITLES = (
    "Send the person to Latchkey",
    "The person decides, and comes back with a code",
    "Exchange the code",
    "Call the API",
    "Refresh the token",
)


class Over(Exception):
    """The flow ends here."""


@dataclass
class Wish:
    """What to run: where it leads back to, what it asks for, what goes wrong, and a scope that the app may not have."""

    redirect_uri: str
    scopes: frozenset[str]
    fault: str
    foreign: str


@dataclass
class Run:
    """One run, and what came of it so far."""

    client: Client
    here: BrowserSession
    wish: Wish
    done: list[Step] = field(default_factory=list)
    grant_id: str = ""
    state: str = field(default_factory=lambda: credentials.opaque()[:20])
    verifier: str = field(default_factory=credentials.opaque)
    code: str = ""
    tokens: dict[str, Any] = field(default_factory=dict)

    def go(self) -> list[Step]:
        """Each step, those that were not reached as well. Whatever it was given is over when this returns."""
        work: tuple[Callable[[str], None], ...] = (
            self._ask,
            self._come_back,
            self._exchange,
            self._call,
            self._refresh,
        )
        left = list(TITLES)
        try:
            with suppress(Over):
                for step in work:
                    step(left.pop(0))
        finally:
            db.rollback()
            if self.grant_id:
                grants.end(self.grant_id, EndReason.TRIED_OUT)
            db.commit()
        return [*self.done, *(Step(title, state="", text="Not reached.") for title in left)]

    def _goes_wrong(self, *faults: str) -> bool:
        return self.wish.fault in faults

    def _refused(self, step: Step) -> NoReturn:
        fault = FAULTS[self.wish.fault]
        self.done.append(step._replace(state="bad", told=fault.told, text=fault.does))
        raise Over

    def _ask(self, title: str) -> None:
        asked = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": self.wish.redirect_uri + ("x" if self._goes_wrong("redirect") else ""),
            "scope": self._scope(),
            "state": self.state,
            "code_challenge": pkce.challenge_of(self.verifier),
            "code_challenge_method": "plain" if self._goes_wrong("plain") else "S256",
        }
        if self._goes_wrong("no_pkce"):
            del asked["code_challenge"], asked["code_challenge_method"]
        if self._goes_wrong("resource"):
            asked["resource"] = NOWHERE
        step = Step(title, f"GET {AUTHORIZE}", steps.fields(asked.items()))
        try:
            self._asked = asking.understood(MultiDict(asked))
            self._flow = asking.validate(self._asked)
        except Stopped as stopped:
            refusals.record(self.client.id, "authorize", "invalid_request", str(stopped))
            db.commit()
            self._refused(step._replace(status=steps.status(400), answer=f"An error page of Latchkey: {stopped}."))
        except OAuth2Error as error:
            self._refused(step._replace(status=steps.status(303), answer=_landed(self._led_back(error))))
        self.done.append(
            step._replace(status=steps.status(200), answer="The consent screen, for one person to decide.")
        )

    def _scope(self) -> str:
        more = {"unknown_scope": "nothing:here", "foreign_scope": self.wish.foreign}.get(self.wish.fault, "")
        return f"{scopes.serialize(self.wish.scopes)} {more}".strip()

    def _led_back(self, error: OAuth2Error) -> str:
        """Where the person is led back to with an error, which the app's owner finds again."""
        location = cast("Any", server.server.handle_error_response(None, error)).headers["Location"]
        refusals.record(self.client.id, "authorize", *server.reason(error))
        db.commit()
        return str(location)

    def _come_back(self, title: str) -> None:
        step = Step(title, f"GET {self.wish.redirect_uri}", text="You are the person who agrees, as yourself.")
        if self._goes_wrong("denied"):
            denied = answers.Denied(redirect_uri=self._asked.redirect_uri, state=self._asked.state)
            self._refused(step._replace(sent=_arrived(self._led_back(denied))))
        named = resources.serialize(self._asked.named) if self._asked.resources else None
        begun = trials.begin(self.here.user, self.client, self.wish.scopes, named, self._asked.redirect_uri)
        self.grant_id = begun.id
        location = granting.lead_back(self._flow, self.here, begun).headers["Location"]
        db.commit()
        self.code = _query(location)["code"]
        if self._goes_wrong("state"):
            self._refused(step._replace(sent=_arrived(location, state=credentials.opaque())))
        self.done.append(step._replace(sent=_arrived(location)))

    def _exchange(self, title: str) -> None:
        form = {
            "grant_type": "authorization_code",
            "code": self.code,
            "redirect_uri": self.wish.redirect_uri + ("x" if self._goes_wrong("other_uri") else ""),
            "code_verifier": credentials.opaque() if self._goes_wrong("verifier") else self.verifier,
        }
        if self._goes_wrong("proof"):
            self._post(title, form, proofs.wrong(self.client))
        if self._goes_wrong("target"):
            self._post(title, form, target=NOWHERE)
        self.tokens = self._post(title, form)
        if self._goes_wrong("twice"):
            self._post(f"{title} once more", form)

    def _post(
        self, title: str, form: dict[str, str], wrong: Presented | None = None, target: str = ""
    ) -> dict[str, Any]:
        """What the token endpoint gives for a form. Raises `Over` where it refuses."""
        shown = [*proofs.shown(self.client, wrong), *form.items(), *([("resource", target)] if target else [])]
        step = Step(title, f"POST {TOKEN}", steps.fields(shown))
        sent = wrong or Presented(self.client.client_id, None, "vouched")
        try:
            proved = signed.proved(sent)
            vouched = None if wrong else parties.of(self.client)
            found = flows.tokens_for(Form(form, [target] if target else []), proved, vouched)
        except OAuth2Error as error:
            self._answered(step, error)
        self.done.append(step._replace(status=steps.status(200), answer=steps.body(found)))
        return found

    def _answered(self, step: Step, error: OAuth2Error) -> NoReturn:
        db.rollback()
        refusals.record(self.client.id, "token", *server.reason(error))
        db.commit()
        reply = server.refusal(error)
        self._refused(step._replace(status=steps.status(reply.status), answer=_text(reply)))

    def _call(self, title: str) -> None:
        wanted = self.wish.foreign if self._goes_wrong("narrow") else scopes.serialize(self.wish.scopes)
        query, token = f"scope={wanted.replace(' ', '%20')}", self.tokens["access_token"]
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": check.PATH, "QUERY_STRING": query}
        reply = check.check(Call({**environ, "HTTP_AUTHORIZATION": f"Bearer {token}"}, check.PATH))
        sent = (("Authorization", f"Bearer {steps.masked('access_token', token)}"), ("scope", wanted))
        headers = "\n".join(f"{name}: {value}" for name, value in reply.fixed)
        step = Step(title, f"GET {check.PATH}", sent, steps.status(reply.status), headers)
        if reply.status != 200:
            self._refused(step)
        self.done.append(step._replace(text="What a gateway asks before it lets a call pass."))

    def _refresh(self, title: str) -> None:
        form = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]}
        if self._goes_wrong("wider"):
            self._post(title, form | {"scope": f"{scopes.serialize(self.wish.scopes)} {self.wish.foreign}"})
        self._post(title, form)
        if self._goes_wrong("refresh"):
            self._post(f"{title} with the old one once more", form)


def _query(location: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(location).query).items()}


def _arrived(location: str, **others: str) -> tuple[tuple[str, str], ...]:
    """What the app's address is asked with, a parameter each."""
    return steps.fields((_query(location) | others).items())


def _landed(location: str) -> str:
    """Where an error leads, a parameter a line."""
    lines = (f"{name}={value}" for name, value in _arrived(location))
    return "\n".join((f"Location: {location.partition('?')[0]}", *lines))


def _text(reply: Reply) -> str:
    return json.dumps(json.loads(reply.body), indent=2, ensure_ascii=False)

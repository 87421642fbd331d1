"""POST /v1/credentials/alerts: credentials that a secret scanner found, in the format of GitHub's partner programme."""

import base64
import json
from datetime import timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from api.kit import answers, problems
from api.kit.auth import public
from api.kit.blueprint import blueprint
from api.kit.bodies import Body
from api.kit.describe import Operation, Parameter, Shape, describe, text
from api.kit.problems import Problem
from latchkey import origin, settings
from latchkey.accounts import limits, throttle
from latchkey.accounts.throttle import TooMany
from latchkey.safety import leaks, scanner_keys
from latchkey.store.session import commit_parts
from latchkey.values import Limit
from web.calls import Call, Reply

MOST = 1_000
LONGEST_TOKEN = 1_000
LONGEST_URL = 2_000
LONGEST_NAME = 200
PER_ADDRESS = (Limit(120, timedelta(minutes=1)), Limit(2_000, timedelta(hours=1)))
IDENTIFIER, SIGNATURE = "Github-Public-Key-Identifier", "Github-Public-Key-Signature"
EXAMPLE = "lk_dev_0123456789abcdefghijklmnopqrst000000"
FACTS = {"token": LONGEST_TOKEN, "type": LONGEST_NAME, "url": LONGEST_URL, "source": LONGEST_NAME}


class Found(NamedTuple):
    """One match of the scanner."""

    token: str
    type: str
    url: str


class Alerts(Body):
    """A list of matches. What it holds was looked at by whoever signed it; what we do not know of it is left alone."""

    def schema(self) -> dict[str, Any]:
        """What the OpenAPI document says."""
        facts = {name: {"type": "string", "maxLength": most} for name, most in FACTS.items()}
        item = {"type": "object", "required": ["token", "type"], "properties": facts}
        return {"type": "array", "minItems": 1, "maxItems": MOST, "items": item}

    def example(self) -> Any:
        """A body that works."""
        return [{"token": EXAMPLE, "type": "lk_token", "url": "https://example.com/file", "source": "content"}]


BODY = Alerts("Alerts")
VERDICT = Shape(
    "Verdict",
    {
        "token_hash": text("SHA-256 of the token that came, in base 64: the token itself is not sent back."),
        "token_type": text("The type that came with it."),
        "label": text("Whether it is or was a credential of ours.", enum=["true_positive", "false_positive"]),
    },
    {
        "token_hash": base64.b64encode(sha256(EXAMPLE.encode()).digest()).decode(),
        "token_type": "lk_token",
        "label": "true_positive",
    },
)


@blueprint.post("/v1/credentials/alerts")
@public
@describe(
    Operation(
        summary="Report what a secret scanner found",
        group="Leaked credentials",
        about="Needs no token: the signature over the body is checked. 404 unless LATCHKEY_SCANNER_KEYS_URL is set.",
        answer="For each match, whether it is or was one of ours. What was live is revoked; its owner gets an e-mail.",
        shape=VERDICT,
        several=True,
        body=BODY,
        parameters=(
            Parameter(IDENTIFIER, "header", "Which key signed.", {"type": "string"}),
            Parameter(SIGNATURE, "header", "ECDSA P-256 with SHA-256 over the body, in base 64.", {"type": "string"}),
        ),
        also=(403, 404, 429),
    )
)
def take_alerts(call: Call) -> Reply:
    """End what was found and tell its owners where; nothing happens unless the whole body was signed."""
    url = settings.current().scanner_keys_url
    if url is None:
        raise problems.not_found()
    if wait := throttle.hit(*limits.of_network("alerts", origin.current.get().network, PER_ADDRESS)):
        raise problems.too_often(wait)
    if not scanner_keys.signed(url, call.header(IDENTIFIER), call.header(SIGNATURE), call.body):
        raise Problem(403, "not-signed", "The signature is not right", "Nothing was looked at or changed.")
    found = _read(call.body)
    places = {match.token: match.url for match in found}
    ours = leaks.known(places)
    commit_parts(leaks.report_all(ours, places))
    try:
        for text in leaks.learned(places):
            ours.add(text)
            commit_parts(leaks.report_all([text], places))
    except TooMany as many:
        raise problems.too_often(many.wait) from None
    body = json.dumps([_verdict(match, known=match.token in ours) for match in found]).encode()
    return Reply(200, body, [answers.JSON], answers.PRIVATE)


def _verdict(match: Found, *, known: bool) -> dict[str, str]:
    digest = sha256(match.token.encode("utf-8", "surrogatepass")).digest()
    label = "true_positive" if known else "false_positive"
    return {"token_hash": base64.b64encode(digest).decode(), "token_type": match.type, "label": label}


def _read(body: bytes) -> list[Found]:
    """The matches. Raises `Problem` if one of them cannot be read, before anything is done."""
    try:
        sent = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise problems.not_json() from None
    if not isinstance(sent, list) or not 0 < len(sent) <= MOST:
        raise problems.wrong_fields({"body": f"Send a list of 1 to {MOST:,} matches."})
    return [_match(number, item) for number, item in enumerate(sent)]


def _match(number: int, item: object) -> Found:
    facts = item if isinstance(item, dict) else {}
    values = {name: facts.get(name) or "" for name in FACTS}
    fits = all(isinstance(value, str) and len(value) <= FACTS[name] for name, value in values.items())
    if not fits or not values["token"] or not values["type"]:
        raise problems.wrong_fields({f"{number}": "A match has the texts token and type, and may have url and source."})
    return Found(values["token"], values["type"], values["url"])

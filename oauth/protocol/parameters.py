"""Stands before Authlib and refuses malformed, duplicate and misplaced parameters, so that no input becomes a fault."""

import binascii
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote_plus, unquote_to_bytes
from wsgiref.types import WSGIEnvironment

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from latchkey import scopes
from latchkey.clients.keys import assertions
from latchkey.clients.keys.assertions import Assertion, BadAssertion
from web.calls import Call

FORM = "application/x-www-form-urlencoded"
# What the authorization endpoint understands, and what all of them do; each at most once (RFC 6749 §3.1, §3.2),
# `resource` aside (RFC 8707 §2).
AUTHORIZATION = frozenset(
    {
        *("client_id", "response_type", "response_mode", "redirect_uri", "scope", "state", "prompt"),
        *("request", "request_uri", "code_challenge", "code_challenge_method"),
    }
)
KNOWN = AUTHORIZATION | {
    *("client_secret", "client_assertion", "client_assertion_type", "grant_type", "code", "code_verifier"),
    *("refresh_token", "token", "token_type_hint", "client_address", "device_code"),
}
LONGEST_FORM = 64 * 1024
MOST_FIELDS = 100
# The longest Basic credentials: both halves percent-encoded throughout, then in base64.
LONGEST_BASIC = 16 * 1024
# RFC 7523 §2.2.
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class Presented(NamedTuple):
    """The credentials that a client sent, and by which method (RFC 6749 §2.3)."""

    client_id: str
    secret: str | None
    method: str
    # The client assertion, not verified yet; and, once it is, the record id of the client that it proves.
    assertion: Assertion | None = None
    proof: str = ""


class Unreadable(InvalidClientError):
    """An assertion that is none; `.reason` says why, in words for the app's owner."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


def duplicates(values: MultiDict[str, str]) -> list[str]:
    """The recognised parameters that appear more than once."""
    return [name for name, given in values.lists() if len(given) > 1 and name in KNOWN]


def single(values: MultiDict[str, str]) -> dict[str, str]:
    """Each parameter's value; one sent without a value counts as left out (RFC 6749 §3.1)."""
    return _cleaned(dict(values.items()))


def _cleaned(parameters: dict[str, str]) -> dict[str, str]:
    """The parameters without empty ones, and the scope without empty names."""
    if "scope" in parameters:
        named = (name for name in parameters["scope"].split(" ") if name not in ("", scopes.OFFLINE))
        parameters["scope"] = " ".join(named)
    return {name: value for name, value in parameters.items() if value} if "" in parameters.values() else parameters


class Form(NamedTuple):
    """The parameters of a request to a machine endpoint, and all values of the one that may be repeated."""

    parameters: dict[str, str]
    resources: list[str]


def form(call: Call) -> Form:
    """What a program sent, from its form alone. Raises `InvalidRequestError`, `RequestEntityTooLarge`."""
    if call.environ.get("CONTENT_TYPE") != FORM and call.mimetype != FORM and (call.mimetype or call.body):
        raise InvalidRequestError(f"Send the parameters as {FORM}.", status_code=415)
    if call.environ.get("QUERY_STRING") and not (KNOWN | {"resource"}).isdisjoint(call.query):
        raise InvalidRequestError("Send the parameters in the body, not in the address.")
    if len(call.body) > LONGEST_FORM:
        raise RequestEntityTooLarge
    return parsed(call.body)


# The key in the environ of a call for what `quickly` has read.
AHEAD = "latchkey.form"


class Sent(NamedTuple):
    """The form of a request, and the credentials in it, unverified."""

    form: Form
    presented: Presented


def read(call: Call, needed: str = "") -> Sent:
    """Both; without the parameter that is `needed` nobody looks who calls. Raises as `form` and `presented`."""
    found = form(call)
    if needed and needed not in found.parameters:
        raise InvalidRequestError(f"The {needed} is missing.")
    return Sent(found, presented(found.parameters, call.environ.get("HTTP_AUTHORIZATION")))


def quickly(environ: WSGIEnvironment) -> Sent | None:
    """The same of a short form beforehand, kept for whoever reads it; None: it is to be refused, or takes longer."""
    if environ.get("CONTENT_TYPE") != FORM or environ["QUERY_STRING"]:
        return None
    body: bytes = environ["wsgi.input"].getvalue()
    try:
        found = parsed(body)
        sent = environ[AHEAD] = Sent(found, presented(found.parameters, environ.get("HTTP_AUTHORIZATION")))
    except (InvalidRequestError, InvalidClientError):
        return None
    return sent


def parsed(body: bytes) -> Form:
    """The fields of a form; one without a value counts as left out (RFC 6749 §3.2). Raises `InvalidRequestError`."""
    if b"\x00" in body or b"%00" in body:
        raise InvalidRequestError("A parameter holds a NUL character.")
    parameters: dict[str, str] = {}
    resources: list[str] = []
    try:
        for name, value in _pairs(body.decode()):
            if name == "resource":
                resources += [value] if value else []
            elif name not in parameters:
                parameters[name] = value
            elif name in KNOWN:
                raise InvalidRequestError(f"The parameter {name} appears more than once.")
    except ValueError:
        raise InvalidRequestError("The form is not UTF-8, or has too many fields.") from None
    return Form(_cleaned(parameters), resources)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """As `parse_qsl` has them, which takes as long for what is not encoded. Raises `ValueError`."""
    if text.count("&") >= MOST_FIELDS:
        raise ValueError("too many fields")
    escaped = "%" in text or "+" in text
    for part in text.split("&"):
        name, _, value = part.partition("=")
        if escaped:
            name, value = _unescaped(name), _unescaped(value)
        if part:
            yield name, value


def _unescaped(text: str) -> str:
    return unquote_plus(text, errors="strict") if "%" in text or "+" in text else text


def resources(values: MultiDict[str, str]) -> list[str]:
    """Every value of the one parameter that may be repeated."""
    return [value for value in values.getlist("resource") if value]


def presented(parameters: Mapping[str, str], header: str | None) -> Presented:
    """How the client authenticates, by exactly one method. Raises `InvalidRequestError`, `InvalidClientError`."""
    client_id, secret = parameters.get("client_id"), parameters.get("client_secret")
    assertion = "client_assertion" in parameters or "client_assertion_type" in parameters
    if (header is not None) + (secret is not None) + assertion > 1:
        raise InvalidRequestError("The client authenticates by more than one method.")
    if header is not None:
        found = _basic(header)
        if client_id is not None and client_id != found.client_id:
            raise InvalidRequestError("The client_id in the body is not the one in the Authorization header.")
        return found
    if assertion:
        return _asserted(parameters)
    if client_id is None:
        raise InvalidClientError
    return Presented(client_id, secret, "none" if secret is None else "client_secret_post")


def _asserted(parameters: Mapping[str, str]) -> Presented:
    """RFC 7521 §4.2: whose an assertion is stands in it; a client_id beside it has to be the same."""
    if parameters.get("client_assertion_type") != JWT_BEARER:
        raise Unreadable("the client_assertion_type is not that of JWTs")
    try:
        found = assertions.read(parameters.get("client_assertion", ""))
        subject = found.subject
    except BadAssertion as bad:
        raise Unreadable(str(bad)) from None
    if parameters.get("client_id", subject) != subject:
        raise InvalidRequestError("The client_id in the body is not the sub of the client_assertion.")
    return Presented(subject, None, "private_key_jwt", found)


def loosely(call: Call) -> dict[str, str]:
    """The first value of each field of a form, whatever else is wrong with it."""
    if call.mimetype != FORM or len(call.body) > LONGEST_FORM:
        return {}
    try:
        text = call.body.decode("utf-8", "replace")
        pairs = parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=MOST_FIELDS)
    except ValueError:
        return {}
    return dict(reversed(pairs))


def claimed(call: Call) -> str | None:
    """Whose request a refused one claims to be, proved or not."""
    sent = loosely(call)
    try:
        return presented(_cleaned(sent.copy()), call.header("Authorization")).client_id
    except (InvalidClientError, InvalidRequestError):
        return sent.get("client_id")


def _basic(header: str) -> Presented:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > LONGEST_BASIC:
        raise InvalidClientError
    try:
        text = binascii.a2b_base64(encoded.strip(), strict_mode=True).decode()
        name, colon, secret = text.partition(":")
        client_id, secret = _decoded(name), _decoded(secret)
    except (binascii.Error, ValueError):
        raise InvalidClientError from None
    if not colon:
        raise InvalidClientError
    return Presented(client_id, secret, "client_secret_basic")


def _decoded(text: str) -> str:
    """RFC 6749 §2.3.1: both halves are form-encoded before they are joined."""
    decoded = text
    if "%" in text or "+" in text:
        if PERCENT.search(text):
            raise ValueError("a percent sign that encodes nothing")
        decoded = unquote_to_bytes(text.replace("+", " ")).decode()
    if "\x00" in decoded:
        raise ValueError("a NUL character")
    return decoded

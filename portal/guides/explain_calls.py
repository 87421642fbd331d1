"""Which call a pasted text makes: of the API here, of its OAuth endpoints, or of an API behind it."""

import re

from flask import url_for
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from latchkey import addresses, credentials, resources, scopes, settings
from latchkey.resources import Resource
from portal.guides import reference
from portal.guides.explain_words import ENDPOINTS, Finding

METHOD = re.compile(r"(?:-X|--request)[ =]*'?\"?([A-Za-z]{3,7})\b")
ADDRESS = re.compile(r"https?://[^\s'\"\\\\<>]{1,2000}")
BODY = re.compile(r"(?:^|\s)(?:-d|--data|--data-\w+|--json|-F)\b")
TAKES_JSON = ("/oauth/register", "/mcp")
JSON_BODY = re.compile(r"--json\b|content-type:\s*application/json", re.IGNORECASE)


def about(text: str, findings: list[Finding]) -> reference.Call | None:
    """Say what is wrong with the address that is called; the call of the API here, if it is one."""
    address = _called(text)
    if address is None:
        return None
    if credentials.spotted(address) or "access_token=" in address:
        findings.append(
            Finding("bad", "There is a token in the address. The API looks only at the Authorization header.")
        )
    if not address.startswith(settings.current().base_url + "/"):
        findings.append(_elsewhere(address))
        return None
    given = METHOD.search(text)
    method = given[1].upper() if given else "POST" if BODY.search(text) else "GET"
    path = addresses.parts(address).path
    if path in ENDPOINTS:
        findings += _endpoint(path, method, text)
        return None
    call, others = _call(path, method)
    if call is None:
        said = f"This address takes {', '.join(others)}, not {method}." if others else "The API has no such address."
        findings.append(Finding("bad", said, url_for("portal.guide_api"), "Read the reference"))
    return call


def _called(text: str) -> str | None:
    """The address that is called: one of ours or of a named API rather than one in a parameter."""
    found = ADDRESS.findall(text)
    ours = settings.current().base_url + "/"
    known = (address for address in found if address.startswith(ours) or _of(address))
    plain = (address for address in found if f"={address}" not in text)
    return next(known, None) or next(plain, None) or (found[0] if found else None)


def _of(address: str) -> Resource | None:
    parts = addresses.parts(address)
    for resource in resources.operators():
        there = addresses.parts(resource.normal)
        if addresses.normalised(f"{parts.scheme}://{parts.netloc}") == f"{there.scheme}://{there.netloc}/" and (
            parts.path or "/"
        ).startswith(there.path):
            return resource
    return None


def _elsewhere(address: str) -> Finding:
    resource = _of(address)
    if resource is None:
        host = addresses.parts(address).netloc.rpartition("@")[2][:100]
        return Finding(
            "info",
            f"The call goes to {host}, which is not this portal: the API here is at {settings.current().base_url}/v1. "
            "An API that trusts this portal takes its tokens, and names the scopes it needs in its refusal.",
        )
    takes = scopes.serialize(resource.scopes).replace(" ", ", ")
    said = f"This is a call of “{resource.title}”, an API behind this portal. Its scopes are {takes}."
    if resource.documentation.startswith("https://"):
        return Finding("info", said, resource.documentation, "Read its documentation")
    return Finding("info", said, url_for("portal.guide_scopes"), "Look at the scopes")


def _endpoint(path: str, method: str, text: str) -> list[Finding]:
    wanted, purpose = ENDPOINTS[path]
    guide = url_for("portal.guide_agents" if path == "/mcp" else "portal.guide_oauth")
    said = [Finding("info", f"{path} {purpose}.", guide, "Read the guide")]
    if method != wanted and path != "/oauth/check":
        said.append(Finding("bad", f"{path} takes {wanted}, not {method}."))
    if wanted == "POST" and path not in TAKES_JSON and JSON_BODY.search(text):
        said.append(Finding("bad", "The body is JSON. Send it as a form: curl does with -d name=value."))
    return said


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

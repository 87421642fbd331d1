"""What an app and its user do, in few words: ask, agree, exchange. The test client follows nothing by itself."""

import base64
import html
import re
from typing import NamedTuple
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests import pages
from tests.factories import CALLBACK, Registered

VERIFIER = "a-verifier-of-exactly-forty-three-characters"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
CHALLENGE = create_s256_code_challenge(VERIFIER)


def asked(registered: Registered, **changes: str | None) -> dict[str, str]:
    """The parameters of a good request, with changes; None takes one out."""
    given = {
        "response_type": "code",
        "client_id": registered.client.id,
        "redirect_uri": CALLBACK,
        "scope": "account:read",
        "state": "xyz",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | changes
    return {name: value for name, value in given.items() if value is not None}


def authorize(browser: FlaskClient, registered: Registered, **changes: str | None) -> TestResponse:
    return browser.get("/oauth/authorize?" + urlencode(asked(registered, **changes), quote_via=quote))


def handle(page: TestResponse) -> str:
    found = re.search(r'name="handle" value="([^"]+)"', page.text)
    assert found, (page.status, page.text[:1500])
    return html.unescape(found[1])


def decide(browser: FlaskClient, page: TestResponse, decision: str = "allow", **more: object) -> TestResponse:
    fields = {"csrf_token": pages.csrf(page), "handle": handle(page), "decision": decision} | more
    return browser.post("/oauth/authorize", data=fields)


class Back(NamedTuple):
    """Where the app's user was led back to, and with what."""

    uri: str
    parameters: dict[str, str]


def back(answer: TestResponse) -> Back:
    assert answer.status_code == 303, (answer.status, answer.text[:1500])
    location = answer.headers["Location"]
    values = parse_qs(urlsplit(location).query, keep_blank_values=True)
    assert all(len(given) == 1 for given in values.values()), location
    return Back(location.partition("?")[0], {name: given[0] for name, given in values.items()})


def code(browser: FlaskClient, registered: Registered, **changes: str | None) -> str:
    """A fresh code: the user agrees, if they are asked at all."""
    answer = authorize(browser, registered, **changes)
    if answer.status_code == 200:
        answer = decide(browser, answer)
    return back(answer).parameters["code"]


def basic(client_id: str, secret: str | None) -> dict[str, str]:
    joined = f"{quote(client_id, safe='')}:{quote(secret or '', safe='')}"
    return {"Authorization": "Basic " + base64.b64encode(joined.encode()).decode()}


def post(
    app_client: FlaskClient,
    path: str,
    registered: Registered,
    *,
    headers: dict[str, str] | None = None,
    **fields: str | list[str] | None,
) -> TestResponse:
    """A form from the app's server, with the app's credentials unless `headers` are given."""
    data = {name: value for name, value in fields.items() if value is not None}
    if headers is None and registered.secret is None:
        data = {"client_id": registered.client.id, **data}
    sent = basic(registered.client.id, registered.secret) if headers is None and registered.secret else headers
    return app_client.post(path, data=data, headers=sent)


def redeem(app_client: FlaskClient, registered: Registered, plaintext: str, /, **changes: str | None) -> TestResponse:
    fields = {
        "grant_type": "authorization_code",
        "code": plaintext,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    } | changes
    return post(app_client, "/oauth/token", registered, **fields)


def refresh(app_client: FlaskClient, registered: Registered, token: str, **more: str | None) -> TestResponse:
    return post(app_client, "/oauth/token", registered, grant_type="refresh_token", refresh_token=token, **more)


def tokens(browser: FlaskClient, registered: Registered, **changes: str | None) -> dict[str, str]:
    """A pair of tokens, the whole dance done."""
    answer = redeem(browser.application.test_client(), registered, code(browser, registered, **changes))
    assert answer.status_code == 200, answer.text
    return answer.json


def works(app_client: FlaskClient, access_token: str) -> bool:
    """Whether a gateway would let a call with it pass."""
    answer = app_client.get("/oauth/check", headers={"Authorization": f"Bearer {access_token}"})
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def begin(app_client: FlaskClient, registered: Registered, **fields: object) -> TestResponse:
    """A device asks for its codes (RFC 8628)."""
    return post(app_client, "/oauth/device_authorization", registered, **fields)


def poll(app_client: FlaskClient, registered: Registered, device_code: str, **fields: object) -> TestResponse:
    given = {"grant_type": DEVICE, "device_code": device_code} | fields
    return post(app_client, "/oauth/token", registered, **given)


def type_code(browser: FlaskClient, user_code: str) -> TestResponse:
    page = browser.get("/device")
    return browser.post("/device", data={"csrf_token": pages.csrf(page), "code": user_code})


def answer_device(browser: FlaskClient, page: TestResponse, decision: str = "allow", **more: object) -> TestResponse:
    fields = {"csrf_token": pages.csrf(page), "handle": handle(page), "decision": decision} | more
    return browser.post("/device/decision", data=fields)


def agree(browser: FlaskClient, begun: dict[str, str], **more: object) -> TestResponse:
    """The user types the code and says yes."""
    answer = answer_device(browser, type_code(browser, begun["user_code"]), **more)
    assert answer.status_code == 200, answer.text[:1500]
    return answer


def agreed(browser: FlaskClient, app_client: FlaskClient, registered: Registered, **fields: object) -> str:
    """A device code that the user said yes to."""
    begun = begin(app_client, registered, **fields).json
    agree(browser, begun)
    return begun["device_code"]

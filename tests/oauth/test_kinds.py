"""Each kind of credential works in its own place and nowhere else (E-12)."""

import pytest

from latchkey import credentials
from latchkey.accounts import sessions
from latchkey.store.session import db
from tests import factories
from tests.oauth import dance

KINDS = (
    "developer token",
    "access token",
    "refresh token",
    "client secret",
    "code",
    "session",
    "handle",
    "nothing of ours",
)


@pytest.fixture
def all_kinds(signed_in, caller, alice, example_client):
    issued = dance.tokens(signed_in, example_client)
    made = {
        "developer token": factories.make_token(alice).plaintext,
        "access token": issued["access_token"],
        "refresh token": issued["refresh_token"],
        "client secret": example_client.secret,
        "code": dance.code(signed_in, example_client),
        "session": sessions.open(alice).plaintext,
        "handle": dance.handle(dance.authorize(signed_in, example_client, prompt="consent")),
        "nothing of ours": credentials.opaque(),
    }
    db.commit()
    return made


def places(caller, signed_in, registered):
    """Where a credential may be sent, and whether it was taken for a good one."""

    def as_secret(text):
        form = {"grant_type": "client_credentials", "client_id": registered.client.id, "client_secret": text}
        return caller.post("/oauth/token", data=form).status_code == 200

    def as_basic(text):
        header = dance.basic(registered.client.id, text)
        return caller.post("/oauth/token", data={"grant_type": "client_credentials"}, headers=header).status_code == 200

    def as_bearer(text):
        return caller.get("/oauth/check", headers={"Authorization": f"Bearer {text}"}).status_code == 200

    def at_the_api(text):
        return caller.get("/v1/token", headers={"Authorization": f"Bearer {text}"}).status_code == 200

    def introspected(text):
        return dance.post(caller, "/oauth/introspect", registered, token=text).json["active"]

    def as_code(text):
        return dance.redeem(caller, registered, text).status_code == 200

    def as_refresh_token(text):
        return dance.refresh(caller, registered, text).status_code == 200

    def as_session(text):
        browser = signed_in.application.test_client()
        with browser.session_transaction() as cookie:
            cookie["_user_id"] = text
            cookie.accessed = True
        return browser.get("/settings").status_code == 200

    def as_handle(text):
        page = dance.authorize(signed_in, registered, prompt="consent")
        return dance.decide(signed_in, page, handle=text).status_code == 303

    bearers = {"developer token", "access token"}
    return [
        (as_bearer, bearers),
        (at_the_api, bearers),
        (introspected, bearers),
        (as_secret, {"client secret"}),
        (as_basic, {"client secret"}),
        (as_session, {"session"}),
        (as_handle, {"handle"}),
        (as_code, {"code"}),
        (as_refresh_token, {"refresh token"}),
    ]


@pytest.mark.standard("E-12")
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("kind", KINDS)
def test_it_works_where_it_belongs_and_nowhere_else(signed_in, caller, example_client, all_kinds, kind):
    for place, welcome in places(caller, signed_in, example_client):
        assert place(all_kinds[kind]) == (kind in welcome), place.__name__

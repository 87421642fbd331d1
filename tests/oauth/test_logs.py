"""At the most verbose level no log holds what was issued or sent in confidence (P-01)."""

import logging

import pytest

from tests import factories
from tests.oauth import dance


@pytest.mark.standard("P-01")
def test_no_secret_is_told(signed_in, caller, *, alice, example_client, caplog, monkeypatch):
    # `sqlalchemy.engine` tells statements, parameters and rows.
    for name in ("", "authlib", "flask", "werkzeug", "latchkey", "sqlalchemy.engine", "sqlalchemy.pool"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG if name != "authlib" else logging.INFO)
    caplog.set_level(logging.DEBUG)
    page = dance.authorize(signed_in, example_client, prompt="consent")
    secrets = [dance.handle(page), signed_in.get_cookie("latchkey").value]
    code = dance.back(dance.decide(signed_in, page)).parameters["code"]
    first = dance.redeem(caller, example_client, code).json
    second = dance.refresh(caller, example_client, first["refresh_token"]).json
    developers = factories.make_token(alice).plaintext
    dance.post(caller, "/oauth/introspect", example_client, token=developers)
    caller.get("/oauth/check", headers={"Authorization": f"Bearer {developers}"})
    dance.redeem(caller, example_client, code)
    dance.refresh(caller, example_client, first["refresh_token"])
    caller.post("/oauth/token", data={"grant_type": "x"}, headers=dance.basic(example_client.client.id, "lk_sec_wrong"))
    dance.post(caller, "/oauth/revoke", example_client, token=second["access_token"])
    secrets += [code, developers, example_client.secret, dance.VERIFIER]
    secrets += [issued[name] for issued in (first, second) for name in ("access_token", "refresh_token")]

    assert "INSERT INTO pending_consent" in caplog.text
    for secret in secrets:
        assert secret not in caplog.text


@pytest.mark.standard("P-01")
def test_authlib_never_tells_what_it_issues():
    assert not logging.getLogger("authlib").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("authlib.oauth2.rfc6749.grants.refresh_token").isEnabledFor(logging.DEBUG)


def test_a_head_request_changes_nothing(signed_in, bob):
    from latchkey.grants import Grant
    from latchkey.store.session import db

    trusted = factories.make_client(bob, trusted=True)
    query = "&".join(f"{name}={value}" for name, value in dance.asked(trusted).items())

    answer = signed_in.head(f"/oauth/authorize?{query}")

    assert (answer.status_code, "Location" in answer.headers) == (200, False)
    assert db.query(Grant).count() == 0

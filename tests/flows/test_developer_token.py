"""A newcomer's first job from start to end: sign up, make a token, call the API, take the token back."""

import html
import re

from tests import pages

PASSWORD = "seven-lanterns-on-a-quay"


def bearer(plaintext: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {plaintext}"}


def test_a_developer_signs_up_makes_a_token_calls_the_api_and_takes_it_back(app, client, mailbox):
    program = app.test_client()

    # Sign up; the button behind the mailed link verifies, signs in and leads to Welcome.
    answer = pages.submit(client, "/signup", name="Ada Lindqvist", email="ada@example.com", password=PASSWORD)
    assert "Check your e-mail" in answer.text
    opened = pages.submit(client, mailbox.last("ada@example.com").link("/verify-email/"))
    welcome = client.get(opened.location)
    assert "Welcome, Ada Lindqvist" in welcome.text
    assert ">Create a Token</a>" in welcome.text

    # Create: a link signed in, so the password is asked for. The string is shown once.
    fields = {"description": "Nightly backup", "scope": ["account:read", "tokens:read"], "expires": "30"}
    form = client.get("/tokens/new").text
    asked = pages.submit(client, "/tokens/new", form_id=pages.hidden(form, "form_id"), **fields)
    form = client.get(pages.prove(client, asked, password=PASSWORD).location).text
    assert 'value="Nightly backup"' in form
    summary = pages.submit(client, "/tokens/new", form_id=pages.hidden(form, "form_id"), **fields)
    plaintext = html.unescape(re.search(r"<textarea[^>]*>([^<]+)</textarea>", summary.text).group(1))

    # Call.
    me = program.get("/v1/me", headers=bearer(plaintext))
    assert me.status_code == 200
    assert (me.json["email"], me.json["name"], me.json["email_verified"]) == ("ada@example.com", "Ada Lindqvist", True)
    token = program.get("/v1/token", headers=bearer(plaintext)).json
    assert (token["description"], token["scopes"]) == ("Nightly backup", ["account:read", "tokens:read"])

    # A mail confirms it.
    letter = mailbox.last("ada@example.com")
    assert letter.subject == "New token: Nightly backup"
    assert "Nightly backup" in letter.text
    assert plaintext not in letter.message.as_string()

    # Take it back: the very next call is refused.
    page = letter.link("/tokens/")
    asked = client.get(f"{page}/revoke")
    client.post(f"{page}/revoke", data={"csrf_token": pages.csrf(asked)})
    refused = program.get("/v1/me", headers=bearer(plaintext))
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    assert "revoked" in refused.json["detail"]
    assert "Nightly backup" in client.get("/tokens?status=ended").text

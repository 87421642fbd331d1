"""A credential pasted into a search: never echoed, never kept in an address, answered as “find” does."""

import pytest

from latchkey import credentials, grants
from latchkey.credentials import Kind
from tests.factories import make_client, make_token, record_token

SEARCHES = (
    "/tokens",
    "/activity",
    "/activity.csv",
    "/activity.json",
    "/apps",
    "/docs/search",
    "/tokens?status=ended&x=y",
)
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


def searched(browser, path, text, **more):
    start, _, query = path.partition("?")
    return browser.get(start, query_string=f"{query}&q={text}", **more)


@pytest.mark.standard("P-01", "I-03")
@pytest.mark.parametrize("path", SEARCHES)
def test_a_search_for_ones_own_token_leads_to_it(signed_in, alice, path):
    minted = make_token(alice, description="CI deploy")

    answer = searched(signed_in, path, minted.plaintext)

    assert (answer.status_code, answer.location) == (303, f"/tokens/{minted.token.id}")
    assert answer.headers["Cache-Control"] == "no-store"
    assert minted.plaintext not in answer.text
    assert "This is your token “CI deploy”." in signed_in.get(answer.location).text


@pytest.mark.standard("P-01")
@pytest.mark.parametrize("path", SEARCHES)
def test_a_search_for_a_strangers_credential_says_what_find_says(signed_in, alice, bob, path):
    make_token(alice)
    theirs = make_token(bob).plaintext

    answer = searched(signed_in, path, theirs)
    shown = signed_in.get(answer.location)

    assert (answer.status_code, answer.location) == (303, "/tokens")
    assert "No token of yours." in shown.text
    assert theirs not in answer.text + shown.text
    assert "No token of yours." not in signed_in.get("/tokens").text


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("path", SEARCHES)
def test_who_is_signed_out_never_finds_a_credential_in_the_next_address(client, alice, path):
    plaintext = make_token(alice).plaintext

    answer = searched(client, path, plaintext)

    assert (answer.status_code, answer.location) == (303, path.partition("?")[0])
    followed = client.get(answer.location, follow_redirects=True)
    assert plaintext not in followed.text + str(followed.request.url)
    assert "looks like a token" in followed.text


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "written",
    [
        "{}",
        "Bearer%20{}",
        "curl%20-H%20%22Authorization:%20Bearer%20{}%22",
        "%20{}%0a",
        "x{}",
        "a&q={}",
        "{}.",
        "q%3D{}",
    ],
)
def test_a_credential_is_recognised_however_it_is_written(signed_in, alice, written):
    minted = make_token(alice)

    answer = searched(signed_in, "/tokens", written.format(minted.plaintext))

    assert answer.status_code == 303
    assert answer.location in (f"/tokens/{minted.token.id}", "/tokens")


@pytest.mark.parametrize("shape", ["whole", "cut off", "too long", "other portal", "shouted", "device"])
@pytest.mark.parametrize("path", ["/tokens", "/activity", "/docs/search"])
def test_what_only_looks_like_a_credential_is_not_searched_for_either(signed_in, path, shape):
    whole = credentials.generate(Kind.ACCESS)
    text = {
        "whole": whole,
        "cut off": whole[:-12],
        "too long": whole + "abc",
        "other portal": "acme" + whole[2:],
        "shouted": whole.upper(),
        "device": whole.replace("_oat_", "_dvc_"),
    }[shape]

    answer = searched(signed_in, path, text)

    assert (answer.status_code, answer.location) == (303, "/tokens")


def test_a_script_is_sent_to_the_page_instead_of_being_given_it(signed_in, alice):
    minted = make_token(alice)

    answer = searched(signed_in, "/tokens", minted.plaintext, headers=HTMX)

    assert answer.headers["HX-Redirect"] == f"/tokens/{minted.token.id}"
    assert answer.text == ""


def test_the_tokens_of_an_app_lead_to_where_its_access_is_revoked(signed_in, alice, bob, db):
    client, _ = make_client(bob, name="Fieldnotes")
    grant = grants.allow(alice, client, frozenset({"account:read"}))
    plaintext = credentials.generate(Kind.REFRESH)
    record_token(plaintext, kind=Kind.REFRESH, grant=grant, scopes=["account:read"], expires_at=grant.expires_at)
    db.commit()

    answer = searched(signed_in, "/tokens", plaintext)

    assert answer.location == "/authorized-apps"
    assert "a refresh token of “Fieldnotes”" in signed_in.get(answer.location).text


@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("path", ["/tokens", "/activity", "/docs/search"])
@pytest.mark.parametrize(
    "text", ["7Hd2", "lk_dev_…7Hd2", "lk_dev_", "my_sec_note", "tokens:write", "local_dev_machine"]
)
def test_words_are_still_searched_for(signed_in, alice, path, text):
    make_token(alice)

    assert searched(signed_in, path, text).status_code == 200


def test_a_link_cannot_fill_a_credential_into_the_form(signed_in, alice):
    plaintext = make_token(alice).plaintext

    page = signed_in.get(f"/tokens/new?description={plaintext}")

    assert plaintext not in page.text
    assert "was left out" in page.text


def test_what_was_searched_for_is_nowhere_in_the_log(signed_in, alice, capfd):
    plaintext = make_token(alice).plaintext

    for path in SEARCHES:
        searched(signed_in, path, plaintext)

    assert plaintext[7:] not in "".join(capfd.readouterr())

"""The form of a new token, and the one answer that shows it."""

import html
import re
from datetime import UTC, datetime, time, timedelta

import pytest
from sqlalchemy import func, select

from latchkey import scopes, tokens
from latchkey.tokens import Token, access
from tests import pages
from tests.factories import make_token

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
GOOD = {"description": "CI deploy", "scope": ["account:read"], "expires": "90"}


def hidden(page: str, name: str) -> str:
    return re.search(rf'name="{name}"[^>]*value="([^"]*)"', page).group(1)


def form_of(client) -> dict:
    """The hidden fields of a fresh form, and a good answer to its questions."""
    page = client.get("/tokens/new").text
    return {"csrf_token": pages.csrf(page), "form_id": hidden(page, "form_id"), **GOOD}


def create(client, headers=None, **changes):
    return client.post("/tokens/new", data=form_of(client) | changes, headers=headers)


def shown(page) -> str:
    """The token on a summary page."""
    found = re.search(r"<textarea[^>]*>(lk_dev_[0-9A-Za-z]{36})</textarea>", page.text)
    assert found, page.text[:3000]
    return found.group(1)


def checked(page: str) -> list[str]:
    return [
        re.search(r'value="([^"]*)"', box).group(1)
        for box in re.findall(r"<input[^>]*>", page)
        if " checked" in box and 'type="checkbox"' in box and "data-access" in box
    ]


def expiry(page: str) -> str:
    boxes = [box for box in re.findall(r"<input[^>]*>", page) if 'name="expires"' in box and " checked" in box]
    assert len(boxes) == 1
    return re.search(r'value="([^"]*)"', boxes[0]).group(1)


def count(db) -> int:
    return db.scalar(select(func.count()).select_from(Token))


def test_the_form_asks_for_description_scopes_and_expiry(signed_in):
    page = signed_in.get("/tokens/new").text

    assert checked(page) == []
    assert expiry(page) == "90"
    for scope in scopes.catalogue().values():
        assert f'value="{scope.name}"' in page and html.escape(scope.title, quote=False) in page.replace("&#39;", "'")
    for label in ("7 days", "30 days", "90 days", "1 year", "On a date…", "No expiry", "Select all scopes"):
        assert label in page
    assert page.index(">Expires<") < page.index(">Create</button>")
    assert page.count("Sensitive.") == len([scope for scope in scopes.catalogue().values() if scope.sensitive])


@pytest.mark.standard("I-03")
def test_creating_shows_the_token_once_in_an_answer_that_is_kept_nowhere(signed_in, alice, db):
    page = create(signed_in)

    plaintext = shown(page)
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert "shown only once" in page.text
    assert access.admit(plaintext, ["account:read"]).user_id == alice.id
    assert "location" not in page.headers
    assert not any(plaintext in str(value) for value in page.headers.values())
    token = tokens.find(plaintext)
    for later in (f"/tokens/{token.id}", "/tokens", "/tokens/new", f"/tokens/{token.id}/edit"):
        assert plaintext not in signed_in.get(later).text


@pytest.mark.parametrize("scope, call", [("account:read", "/v1/me"), ("tokens:read", "/v1/token")])
def test_the_shown_call_is_one_that_the_token_may_make(signed_in, client, scope, call):
    page = create(signed_in, scope=[scope])

    code = html.unescape(
        re.sub(r"<[^>]+>", "", re.search(r'<code id="curl">(.*?)</code>', page.text, re.DOTALL).group(1))
    )
    assert code == f'curl -H "Authorization: Bearer {shown(page)}" http://localhost{call}'
    assert client.get(call, headers={"Authorization": f"Bearer {shown(page)}"}).status_code == 200


def test_the_detected_scopes_are_those_that_the_api_sees(signed_in):
    page = create(signed_in, scope=["tokens:read", "account:read"]).text

    detected = page[page.index("Detected scopes") :]
    assert re.findall(r'<code class="small">([^<]+)</code>', detected) == ["account:read", "tokens:read"]


@pytest.mark.standard("I-04")
def test_a_mail_confirms_the_token_without_it(signed_in, mailbox):
    page = create(signed_in, description="Nightly backup", scope=["account:read", "tokens:read"])

    letter = mailbox.last("alice@example.com")
    for said in ("Nightly backup", "account:read", "tokens:read", "127.0.0.1"):
        assert said in letter.text
    assert shown(page)[7:37] not in letter.message.as_string()


@pytest.mark.parametrize(
    "given, days",
    [({"expires": "7"}, 7), ({"expires": "365"}, 365), ({"expires": "never", "until": "nonsense"}, None)],
)
def test_it_works_as_long_as_was_chosen(signed_in, clock, given, days):
    token = tokens.find(shown(create(signed_in, **given)))

    assert token.expires_at == (clock.moment + timedelta(days=days) if days else None)


def test_it_works_to_the_end_of_the_day_that_was_chosen(signed_in, clock):
    tomorrow = (clock.moment + timedelta(days=1)).date()

    token = tokens.find(shown(create(signed_in, expires="date", until=str(tomorrow))))

    assert token.expires_at == datetime.combine(tomorrow, time(23, 59, 59), UTC)


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.standard("I-04")
@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize(
    "changes, said",
    [
        ({"description": ""}, "Describe what will use this token."),
        ({"description": "  "}, "Describe what will use this token."),
        ({"description": None}, "Describe what will use this token."),
        ({"description": "x" * 81}, "This is 81 characters long; 80 are the most."),
        ({"description": "a\x00b"}, "characters that cannot be seen"),
        ({"description": "a\u202eb"}, "characters that cannot be seen"),
        ({"description": "a\u200bb"}, "characters that cannot be seen"),
        ({"description": "\u200d"}, "Write something here."),
        ({"scope": []}, "Choose at least one scope."),
        ({"scope": [""]}, "Choose from these scopes only"),
        ({"scope": ["account:read", "evil:scope"]}, "Choose from these scopes only"),
        ({"scope": ["account:read tokens:read"]}, "Choose from these scopes only"),
        ({"scope": ["\x00"]}, "Choose from these scopes only"),
        ({"expires": ""}, "Choose when the token expires."),
        ({"expires": None}, "Choose when the token expires."),
        ({"expires": "14"}, "Choose when the token expires."),
        ({"expires": "-7"}, "Choose when the token expires."),
        ({"expires": "9" * 5000}, "Choose when the token expires."),
        ({"expires": "date", "until": ""}, "Choose a date after today."),
        ({"expires": "date", "until": None}, "Choose a date after today."),
        ({"expires": "date", "until": "2020-01-01"}, "Choose a date after today."),
        ({"expires": "date", "until": "2026-02-31"}, "Choose a date after today."),
        ({"expires": "date", "until": "tomorrow"}, "Choose a date after today."),
        ({"expires": "date", "until": "10000-01-01"}, "Choose a date after today."),
        ({"form_id": ""}, "Part of this form was missing."),
        ({"form_id": None}, "Part of this form was missing."),
        ({"form_id": "x" * 44}, "Part of this form was missing."),
        ({"form_id": "\x00" * 43}, "Part of this form was missing."),
    ],
)
@pytest.mark.parametrize("headers", [None, HTMX], ids=["page", "partial"])
def test_what_is_wrong_stands_beside_the_field_and_nothing_typed_is_lost(signed_in, db, changes, said, headers):
    given = {"description": "Nightly backup", "scope": ["tokens:read", "account:read"], "expires": "7"} | changes
    sent = form_of(signed_in) | given

    page = signed_in.post("/tokens/new", data={key: v for key, v in sent.items() if v is not None}, headers=headers)

    assert page.status_code == 422
    assert said in page.text
    assert ("<html" in page.text) == (headers is None)
    assert count(db) == 0
    if "description" not in changes:
        assert 'value="Nightly backup"' in page.text
    if "scope" not in changes:
        assert checked(page.text) == ["account:read", "tokens:read"]
    if "expires" not in changes:
        assert expiry(page.text) == "7"


def test_bytes_that_are_no_text_are_refused(signed_in, db):
    fields = form_of(signed_in) | {"scope": "account:read", "description": "HERE"}
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    body = "".join([*parts, "--x--\r\n"]).encode().replace(b"HERE", b"a\xffb")

    page = signed_in.post("/tokens/new", data=body, content_type="multipart/form-data; boundary=x")

    assert page.status_code == 422
    assert "cannot be seen" in page.text
    assert count(db) == 0


def test_the_last_possible_day_is_accepted(signed_in):
    last = (datetime.now(UTC) + timedelta(days=tokens.lifetimes.LONGEST_DAYS)).date()
    token = tokens.find(shown(create(signed_in, expires="date", until=last.isoformat())))

    assert token.expires_at.date() == last
    assert signed_in.get(f"/tokens/{token.id}").status_code == 200
    assert signed_in.get("/tokens").status_code == 200


def test_markup_in_a_description_is_shown_as_text(signed_in):
    page = create(signed_in, description="<img src=x onerror=alert(1)>")

    assert "<img src=x" not in page.text
    assert "&lt;img src=x" in page.text
    assert "&lt;img src=x" in signed_in.get("/tokens").text


def test_a_megabyte_is_refused_beside_its_field_and_nothing_typed_is_lost(signed_in, db):
    page = create(signed_in, description="x" * 60_000, scope="activity:read")

    assert page.status_code == 422
    assert "Use at most 80 characters." in page.text
    assert "x" * 60_000 in page.text
    assert re.search(r'value="activity:read"[^>]* checked', page.text)
    assert count(db) == 0


def test_more_than_a_form_holds_is_not_read_at_all(signed_in, db):
    page = create(signed_in, description="x" * 3_000_000)

    assert page.status_code == 413
    assert "That is too much" in page.text
    assert count(db) == 0


def test_a_form_without_its_token_makes_nothing_and_can_be_tried_again(signed_in, db):
    page = signed_in.post("/tokens/new", data=form_of(signed_in) | {"csrf_token": ""})

    assert page.status_code == 400
    assert "This page was open too long" in page.text
    assert count(db) == 0


# --- never twice


def test_sending_a_form_again_leads_to_the_token_without_its_string(signed_in, db):
    form = form_of(signed_in)
    plaintext = shown(signed_in.post("/tokens/new", data=form))

    again = signed_in.post("/tokens/new", data=form)

    assert again.status_code == 303
    assert again.location == f"/tokens/{tokens.find(plaintext).id}"
    page = signed_in.get(again.location).text
    assert "This token was already shown. If you did not keep it," in page and ">regenerate it</a>" in page
    assert plaintext not in page
    assert "already shown" not in signed_in.get(again.location).text
    assert count(db) == 1


def test_a_script_that_sends_a_form_again_is_sent_to_the_tokens_page(signed_in, db):
    form = form_of(signed_in)
    plaintext = shown(signed_in.post("/tokens/new", data=form, headers=HTMX))

    again = signed_in.post("/tokens/new", data=form, headers=HTMX)

    assert again.status_code == 409
    assert again.headers["HX-Redirect"] == f"/tokens/{tokens.find(plaintext).id}"
    assert count(db) == 1


def test_two_tabs_do_not_make_two_tokens_of_one_description(signed_in, db):
    first, second = form_of(signed_in), form_of(signed_in)
    assert first["form_id"] != second["form_id"]
    signed_in.post("/tokens/new", data=first)

    page = signed_in.post("/tokens/new", data=second)

    assert page.status_code == 422
    assert "You have a token with this description." in page.text
    assert hidden(page.text, "form_id") == second["form_id"]
    assert count(db) == 1


def test_a_description_is_free_again_when_its_token_has_ended(signed_in, alice, db):
    tokens.revoke(make_token(alice, description="CI deploy").token)
    db.commit()

    assert create(signed_in).status_code == 200


def test_a_script_gets_the_summary_alone(signed_in):
    part = create(signed_in, headers=HTMX)

    assert part.text.startswith("<title>Token created")
    assert "<html" not in part.text
    assert shown(part)
    assert part.headers["Cache-Control"] == "no-store"
    assert not {"HX-Push-Url", "HX-Replace-Url", "HX-Location"} & set(part.headers.keys())


# --- all scopes, links


def test_select_all_scopes_ticks_them_and_creates_nothing(signed_in, db):
    page = create(signed_in, description="Nightly backup", scope=[], expires="7", do="select-all")

    assert page.status_code == 200
    assert checked(page.text) == list(scopes.catalogue())
    assert 'value="Nightly backup"' in page.text
    assert expiry(page.text) == "7"
    assert count(db) == 0


@pytest.mark.standard("I-04")
def test_a_link_fills_the_form_in_and_the_form_says_so(signed_in, db):
    page = signed_in.get("/tokens/new?description=Grafana&scopes=tokens:read%20account:read&expires_in_days=30").text

    assert 'value="Grafana"' in page
    assert checked(page) == ["account:read", "tokens:read"]
    assert expiry(page) == "30"
    assert "A link filled this in." in page and "left out" not in page
    assert count(db) == 0


@pytest.mark.standard("I-04")
@pytest.mark.parametrize(
    "query",
    [
        "scopes=account:read%20evil:scope",
        "scopes=account:read&description=" + "x" * 81,
        "scopes=account:read&description=a%00b",
        "scopes=account:read&description=%E2%80%AE",
        "scopes=account:read&expires_in_days=0",
        "scopes=account:read&expires_in_days=-1",
        "scopes=account:read&expires_in_days=1e3",
        "scopes=account:read&expires_in_days=999999",
        "scopes=account:read&expires_in_days=%D9%A7",
    ],
)
def test_what_a_link_cannot_ask_for_is_left_out_and_said(signed_in, query):
    answer = signed_in.get(f"/tokens/new?{query}")

    assert answer.status_code == 200
    assert checked(answer.text) == ["account:read"]
    assert expiry(answer.text) == "90"
    assert "left out" in answer.text
    assert "evil:scope" not in answer.text


def test_a_link_may_ask_for_any_number_of_days(signed_in, clock):
    page = signed_in.get("/tokens/new?expires_in_days=45").text

    assert expiry(page) == "date"
    assert f'value="{(clock.moment + timedelta(days=45)).date().isoformat()}"' in page


@pytest.mark.standard("I-09")
@pytest.mark.settings(token_max_days=45)
def test_where_life_is_limited_the_form_offers_no_more(signed_in, clock):
    page = signed_in.get("/tokens/new").text

    assert expiry(page) == "45"
    assert "1 year" not in page and "No expiry" not in page
    assert "Tokens here work for 45 days at most." in page
    last = (clock.moment + timedelta(days=45)).date()
    for refused in (
        {"expires": "never"},
        {"expires": "90"},
        {"expires": "date", "until": str(last + timedelta(days=1))},
    ):
        assert create(signed_in, **refused).status_code == 422
    longest = tokens.find(shown(create(signed_in, expires="date", until=str(last))))
    assert longest.expires_at <= clock.moment + timedelta(days=45)
    assert expiry(signed_in.get("/tokens/new?expires_in_days=400").text) == "date"


# --- the password


@pytest.mark.standard("I-04")
@pytest.mark.standard("L-09")
def test_a_new_token_takes_fresh_proof_and_the_form_comes_back_filled_in(signed_in, alice, clock):
    clock.move(minutes=16)

    asked = create(signed_in)
    wrong = pages.prove(signed_in, asked, password="not my password")
    back = pages.prove(signed_in, wrong)
    page = signed_in.get(back.location)

    assert pages.asks_for_proof(asked)
    assert (wrong.status_code, "This is not your password." in wrong.text) == (422, True)
    assert "not my password" not in wrong.text
    assert (back.status_code, back.location) == (303, "/tokens/new")
    assert 'value="CI deploy"' in page.text
    assert '<p class="toast">Thank you. Look it over, and send it once more.</p>' in page.text
    assert tokens.page(alice, status="all").tokens == []
    assert shown(create(signed_in))


def test_what_is_wrong_is_said_before_anybody_is_asked_who_they_are(signed_in, alice, clock):
    clock.move(minutes=16)

    page = create(signed_in, description="")

    assert page.status_code == 422
    assert "Describe what will use this token." in page.text


# --- regenerating


@pytest.mark.standard("I-09")
def test_regenerating_shows_a_new_string_once_and_ends_the_old(signed_in, alice, mailbox):
    token, old = make_token(alice, description="CI deploy")
    here = f"/tokens/{token.id}/regenerate"
    asked = signed_in.get(here).text
    form = {"csrf_token": pages.csrf(asked), "form_id": hidden(asked, "form_id")}

    page = signed_in.post(here, data=form)
    again = signed_in.post(here, data=form)

    assert "Regenerate “CI deploy”?" in asked
    assert access.admit(shown(page)).token_id == token.id
    with pytest.raises(access.InvalidToken):
        access.admit(old)
    assert (again.status_code, again.location) == (303, f"/tokens/{token.id}")
    assert "already shown" in signed_in.get(again.location).text
    assert access.admit(shown(page))
    assert "CI deploy" in mailbox.last("alice@example.com").text


@pytest.mark.parametrize("form_id", ["", "x", "\x00" * 43])
def test_regenerating_without_the_forms_number_changes_nothing(signed_in, alice, form_id):
    token, plaintext = make_token(alice)

    page = pages.submit(signed_in, f"/tokens/{token.id}/regenerate", form_id=form_id)

    assert page.status_code == 422
    assert access.admit(plaintext)


def test_regenerating_asks_for_a_password_given_long_ago(signed_in, alice, clock):
    token, plaintext = make_token(alice)
    clock.move(minutes=16)
    here = f"/tokens/{token.id}/regenerate"

    asked = signed_in.get(here)
    sent = signed_in.post(here, data={"csrf_token": pages.csrf(asked), "form_id": "x" * 43})
    assert pages.asks_for_proof(asked) and pages.asks_for_proof(sent)
    assert access.admit(plaintext)

    form = signed_in.get(pages.prove(signed_in, asked).location).text
    answer = signed_in.post(here, data={"csrf_token": pages.csrf(form), "form_id": hidden(form, "form_id")})
    assert shown(answer)

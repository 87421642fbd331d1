"""The list of tokens, one token's page, finding one by its string, revoking, and other people's tokens."""

import html
import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import event

from latchkey import tokens
from latchkey.store.session import engines
from latchkey.tokens import access
from tests import pages
from tests.factories import PASSWORD, make_token, make_user

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


def row(page: str, description: str) -> str:
    """The list row of a token, without markup."""
    rows = re.findall(r"<li>.*?</li>", page, re.DOTALL)
    found = [text for text in rows if f">{description}</a>" in text]
    assert len(found) == 1, page[:3000]
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


def test_who_is_signed_out_is_led_to_sign_in_and_back(client):
    answer = client.get("/tokens?status=ended")

    assert answer.status_code == 303
    assert answer.location == "/login?next=/tokens?status%3Dended"


def test_who_has_no_token_is_told_what_one_is_for(signed_in):
    page = signed_in.get("/tokens")

    assert page.status_code == 200
    assert "No tokens yet" in page.text
    assert ">Create a Token</a>" in page.text


@pytest.mark.standard("I-07")
def test_a_row_says_everything_but_the_token(signed_in, alice):
    minted = make_token(alice, description="CI deploy", scopes=["account:read", "tokens:write"])

    page = signed_in.get("/tokens")

    text = row(page.text, "CI deploy")
    for said in (
        f"lk_dev_…{minted.plaintext[-4:]}",
        "account:read, tokens:write",
        "Write",
        "Never used",
        "Created just now",
    ):
        assert said in text
    assert "Expires in 90 days" in text
    assert "Revoke CI deploy" in text
    assert minted.plaintext[7:37] not in page.text
    assert page.headers["Cache-Control"] == "no-store"


def test_only_ones_own_tokens_are_listed(signed_in, bob):
    make_token(bob, description="Bobs")

    assert "Bobs" not in signed_in.get("/tokens").text


def test_expired_and_revoked_tokens_stay_findable(signed_in, alice, db):
    make_token(alice, description="Live")
    tokens.revoke(make_token(alice, description="Gone").token)
    db.commit()

    active, ended = signed_in.get("/tokens").text, signed_in.get("/tokens?status=ended").text

    assert "Live" in active and "Gone" not in active
    assert "Revoked" in row(ended, "Gone") and ">Live</a>" not in ended
    assert "Revoke Gone" not in ended


def test_who_has_only_ended_tokens_still_sees_the_way_to_them(signed_in, alice, db):
    tokens.revoke(make_token(alice).token)
    db.commit()

    page = signed_in.get("/tokens").text

    assert "No token is active now." in page
    assert "/tokens?status=ended" in page


@pytest.mark.parametrize("search", ["BACK", "100%", "tokens:rea", "_", "last four"])
def test_a_search_narrows_the_list_by_its_very_text(signed_in, alice, search):
    wanted = make_token(alice, description="Backup_100%", scopes=["tokens:read"]).token
    make_token(alice, description="CI deploy")
    search = wanted.last4 if search == "last four" else search

    page = signed_in.get("/tokens", query_string={"q": search})

    assert ">Backup_100%</a>" in page.text
    assert ">CI deploy</a>" not in page.text
    assert f'value="{search}"' in page.text


def test_a_search_without_result_says_so_and_escapes_what_was_typed(signed_in, alice):
    make_token(alice)

    page = signed_in.get("/tokens?q=<b>x</b>")

    assert "No active token matches “&lt;b&gt;x&lt;/b&gt;”" in page.text


@pytest.mark.parametrize(
    "query",
    [
        "status=all",
        "status=",
        "status=x",
        "page=0",
        "page=x",
        "page=1001",
        "sort=x",
        "scope=x",
        "q=a%00b",
        "q=" + "x" * 81,
    ],
)
def test_a_bad_address_of_the_list_is_refused_in_words(signed_in, alice, query):
    make_token(alice)

    page = signed_in.get(f"/tokens?{query}")

    assert page.status_code == 422
    assert 'role="alert"' in page.text


def test_a_script_gets_the_list_alone(signed_in, alice, clock):
    make_token(alice)

    part = signed_in.get("/tokens", headers=HTMX)

    assert part.text.lstrip().startswith('<div class="stack" id="tokens-panel">')
    assert "<html" not in part.text
    assert {"HX-Request", "HX-Request-Type", "Cookie"} <= set(part.vary)
    whole = signed_in.get("/tokens")
    assert part.text.strip().replace(pages.csrf(part), "") in whole.text.replace(pages.csrf(whole), "")


def test_fifty_tokens_are_a_page_and_each_page_takes_one_query(signed_in, alice):
    for number in range(51):
        make_token(alice, description=f"Token {number:03}")
    first = signed_in.get("/tokens")
    asked: list[str] = []
    event.listen(engines().read, "before_cursor_execute", lambda *call: asked.append(call[2]))

    next_page = re.search(r'rel="next" href="([^"]+)"', first.text).group(1).replace("&amp;", "&")
    second = signed_in.get(next_page)

    assert first.text.count('class="list__link') == 50
    assert ">Token 050</a>" in first.text and ">Token 000</a>" not in first.text
    assert second.text.count('class="list__link') == 1 and ">Token 000</a>" in second.text
    assert 'rel="next"' not in second.text
    assert len([statement for statement in asked if "FROM token" in statement]) == 1


def test_revoking_leads_back_to_the_same_part_of_the_list(signed_in, alice):
    for number in range(52):
        make_token(alice, description=f"Backup {number:02}")
    make_token(alice, description="Other")
    first = signed_in.get("/tokens?q=backup").text
    older = html.unescape(re.search(r'rel="next" href="([^"]+)"', first).group(1))
    link = html.unescape(re.search(r'href="(/tokens/tok_[^"]+/revoke[^"]*)"', signed_in.get(older).text).group(1))

    asked = signed_in.get(link)
    action = html.unescape(re.search(r'method="post" action="([^"]+)"', asked.text).group(1))
    answer = signed_in.post(action, data={"csrf_token": pages.csrf(asked)})

    assert f'href="{html.escape(older)}">Keep token' in asked.text
    assert (answer.status_code, answer.location) == (303, older)
    assert "q=backup" in older and "page=2" in older
    assert "Revoked “Backup" in signed_in.get(older).text


def test_a_page_whose_last_token_went_leads_to_the_last_of_the_same_search(signed_in, alice):
    make_token(alice, description="Backup")

    answer = signed_in.get("/tokens?q=backup&page=2")

    assert (answer.status_code, answer.location) == (303, "/tokens?q=backup")


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_revoking_leads_nowhere_else(signed_in, alice, elsewhere):
    minted = make_token(alice)
    page = signed_in.get(f"/tokens/{minted.token.id}/revoke", query_string={"next": elsewhere})

    answer = signed_in.post(
        f"/tokens/{minted.token.id}/revoke", query_string={"next": elsewhere}, data={"csrf_token": pages.csrf(page)}
    )

    assert answer.location == "/tokens"


@pytest.mark.standard("N-08")
@pytest.mark.parametrize(
    "query, said",
    [
        ("", "2 active tokens."),
        ("?q=backup", "1 active token matches “backup”."),
        ("?q=zzz", "No active tokens match “zzz”."),
        ("?status=ended", "No expired or revoked tokens."),
        ("?q=" + "x" * 81, "This is 81 characters long; 80 are the most."),
    ],
)
def test_what_a_search_found_is_announced(signed_in, alice, query, said):
    make_token(alice, description="Nightly backup")
    make_token(alice, description="CI deploy")

    part, page = signed_in.get(f"/tokens{query}", headers=HTMX), signed_in.get(f"/tokens{query}")

    assert json.loads(part.headers["HX-Trigger"])["announce"] == {"value": said, "visible": False}
    assert "HX-Trigger" not in page.headers


# --- one token


def test_a_tokens_page_says_what_is_known_of_it(signed_in, alice, db):
    minted = make_token(alice, description="CI deploy", scopes=["account:read"])
    minted.token.last_used_at = minted.token.created_at
    minted.token.last_used_address, minted.token.last_used_agent = "198.51.100.24", "curl/8.14.1"
    db.commit()

    page = signed_in.get(f"/tokens/{minted.token.id}")

    assert page.status_code == 200
    for said in ("CI deploy", minted.token.hint, "198.51.100.24, curl", "in 90 days", "account:read", "Active"):
        assert said in page.text
    assert minted.plaintext[7:37] not in page.text


def test_a_tokens_family_is_shown_on_both_pages(signed_in, alice):
    parent = make_token(alice, description="Parent", scopes=["tokens:write"]).token
    child = make_token(
        alice, description="Child", scopes=["tokens:write"], parent=parent, lifetime=timedelta(days=1)
    ).token

    assert "Made by this token" in row(signed_in.get(f"/tokens/{parent.id}").text, "Child")
    assert "Made this token" in row(signed_in.get(f"/tokens/{child.id}").text, "Parent")
    assert "It made 1 token, which ends with it." in signed_in.get(f"/tokens/{parent.id}/revoke").text


@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_an_ended_token_shows_its_state_and_cannot_be_changed(signed_in, alice, db, clock, how):
    token = make_token(alice, lifetime=timedelta(hours=1)).token
    if how == "revoked":
        tokens.revoke(token)
        db.commit()
    else:
        clock.move(hours=1)
    here = f"/tokens/{token.id}"

    page = signed_in.get(here)

    assert how.capitalize() in page.text
    for act in ("edit", "revoke", *(["regenerate"] if how == "revoked" else [])):
        assert f"{here}/{act}" not in page.text
        assert signed_in.get(f"{here}/{act}").location == here
        form = {"csrf_token": pages.csrf(signed_in.get("/tokens")), "form_id": "x" * 43, "description": "Other"}
        answer = signed_in.post(f"{here}/{act}", data=form | {"scope": "account:read", "password": PASSWORD})
        assert (answer.status_code, answer.location) == (303, here)
    db.expire_all()
    assert (token.status, token.description) == (how, "Deploy script")


@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("path", ["", "/edit", "/regenerate", "/revoke"])
def test_somebody_elses_token_is_not_there(signed_in, bob, path):
    minted = make_token(bob)
    form = pages.csrf(signed_in.get("/tokens/new"))

    for answer in (
        signed_in.get(f"/tokens/{minted.token.id}{path}"),
        signed_in.post(f"/tokens/{minted.token.id}{path}", data={"csrf_token": form, "description": "Mine"}),
    ):
        assert answer.status_code in (404, 405)

    assert access.admit(minted.plaintext)


@pytest.mark.parametrize("token_id", ["x", "tok_", "tok_" + "0" * 28, "usr_" + "0" * 28, "tok_%00", "..%2fnew"])
def test_what_is_no_token_is_not_there(signed_in, token_id):
    assert signed_in.get(f"/tokens/{token_id}").status_code == 404


# --- revoking


def test_revoking_asks_first_then_ends_the_token_and_says_so(signed_in, alice, mailbox):
    minted = make_token(alice, description="CI deploy")

    asked = signed_in.get(f"/tokens/{minted.token.id}/revoke")
    assert access.admit(minted.plaintext)
    done = signed_in.post(f"/tokens/{minted.token.id}/revoke", data={"csrf_token": pages.csrf(asked)})

    assert "Revoke “CI deploy”?" in asked.text
    assert "It was never used." in asked.text
    assert (done.status_code, done.location) == (303, "/tokens")
    assert "Revoked “CI deploy”." in signed_in.get("/tokens").text
    with pytest.raises(access.InvalidToken):
        access.admit(minted.plaintext)


def test_revoking_twice_is_one_event(signed_in, alice):
    token = make_token(alice).token
    form = {"csrf_token": pages.csrf(signed_in.get(f"/tokens/{token.id}/revoke"))}

    for _ in range(2):
        assert signed_in.post(f"/tokens/{token.id}/revoke", data=form).status_code == 303

    assert signed_in.get(f"/tokens/{token.id}").text.count("You revoked the token") == 1


def test_the_question_says_where_it_was_last_used(signed_in, alice, db, clock):
    token = make_token(alice).token
    token.last_used_at, token.last_used_address = token.created_at, "198.51.100.24"
    db.commit()
    clock.move(minutes=4)

    asked = " ".join(signed_in.get(f"/tokens/{token.id}/revoke").text.split())

    assert "It was last used 4 minutes ago from 198.51.100.24, so something is probably still using it." in asked


def test_revoking_needs_the_forms_token(signed_in, alice):
    minted = make_token(alice)

    assert signed_in.post(f"/tokens/{minted.token.id}/revoke").status_code == 400
    assert access.admit(minted.plaintext)


# --- finding


def find(client, pasted: str):
    return pages.submit(client, "/tokens/find", form="/tokens", token=pasted)


@pytest.mark.parametrize("around", ["{}", "  {}\n", "Authorization: Bearer {}"])
def test_a_pasted_token_leads_to_its_page(signed_in, alice, around):
    minted = make_token(alice)

    answer = find(signed_in, around.format(minted.plaintext))

    assert (answer.status_code, answer.location) == (303, f"/tokens/{minted.token.id}")


def test_the_address_of_finding_alone_opens_the_box_to_paste_into(signed_in, alice):
    make_token(alice)

    page = signed_in.get("/tokens/find")

    assert page.status_code == 200
    assert re.search(r"<details[^>]* open[^>]*>\s*<summary[^>]*>.*?Find a pasted token", page.text, re.DOTALL)
    assert "Paste a token here." not in page.text


def test_whoever_is_signed_out_comes_to_the_box_by_signing_in(client):
    assert client.get("/tokens/find").location == "/login?next=/tokens/find"


def test_a_token_from_before_it_was_regenerated_leads_to_the_token_that_replaced_it(signed_in, alice, db):
    minted = make_token(alice)
    tokens.regenerate(minted.token)
    db.commit()

    answer = find(signed_in, minted.plaintext)

    assert answer.location == f"/tokens/{minted.token.id}"
    assert "before it was regenerated" in signed_in.get(answer.location).text


def test_somebody_elses_token_is_answered_like_one_that_never_was(signed_in, alice, bob):
    make_token(alice)
    theirs = make_token(bob).plaintext
    nobodys = theirs[:-6] + "000000"

    answers = [find(signed_in, pasted) for pasted in (theirs, nobodys)]

    assert [answer.status_code for answer in answers] == [422, 422]
    texts = [re.sub(r'name="csrf_token"[^>]*', "", answer.text) for answer in answers]
    assert texts[0] == texts[1]
    assert "No token of yours." in texts[0]
    assert theirs not in answers[0].text


@pytest.mark.parametrize(
    "pasted", ["", " ", "\x00", "x" * 10_000, "\ud800".encode("utf-8", "surrogatepass"), "<script>"]
)
def test_what_is_no_token_is_found_nowhere_and_never_repeated(signed_in, alice, pasted):
    make_token(alice)

    answer = find(signed_in, pasted)

    assert answer.status_code == 422
    assert "x" * 100 not in answer.text and "<script>" not in answer.text


def test_who_is_not_verified_sees_the_list_but_makes_nothing(client, db):
    pages.sign_in(client, make_user("new@example.com", verified=False))

    assert client.get("/tokens").status_code == 200
    answer = client.get("/tokens/new")
    assert answer.status_code == 303
    assert answer.location.startswith("/verify-email")

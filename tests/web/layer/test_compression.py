"""What is compressed, and what never is: a page that holds a secret and somebody's words at once."""

import gzip
from pathlib import Path

import pytest

from latchkey import vault
from tests import pages
from tests.factories import make_client, make_token
from web.layer import compression

TEMPLATES = Path(__file__).parents[3] / "templates"
GZIP = {"Accept-Encoding": "gzip, br"}


def test_guides_are_compressed_for_who_takes_it(client):
    zipped = client.get("/docs/oauth", headers=GZIP)
    plain = client.get("/docs/oauth", headers={"Accept-Encoding": "gzip;q=0"})

    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.data) == plain.data
    assert len(zipped.data) * 3 < len(plain.data)
    assert int(zipped.headers["Content-Length"]) == len(zipped.data)
    assert "Content-Encoding" not in plain.headers
    assert {"Accept-Encoding", "Cookie"} <= set(zipped.vary) & set(plain.vary)


@pytest.mark.parametrize("path", ["/tokens", "/", "/tokens/new", "/settings", "/activity", "/apps"])
def test_pages_at_an_address_without_words_are_compressed(signed_in, path):
    answer = signed_in.get(path, headers=GZIP)

    assert answer.headers["Content-Encoding"] == "gzip"
    assert b"Alice" in gzip.decompress(answer.data)
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_page_of_a_record_is_compressed(signed_in, alice):
    client, _ = make_client(alice)

    for path in (f"/tokens/{make_token(alice).token.id}", f"/apps/{client.id}"):
        assert signed_in.get(path, headers=GZIP).headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("path", ["/tokens?status=ended", "/tokens?sort=name&write=1", "/activity?kind=token"])
def test_pages_at_an_address_that_a_list_offers_are_compressed(signed_in, path):
    assert signed_in.get(path, headers=GZIP).headers["Content-Encoding"] == "gzip"


@pytest.mark.standard("I-03", "N-01")
@pytest.mark.settings(require_second_factor="nobody")
def test_what_is_no_choice_of_a_list_is_not_shown_again(app, signed_in, db, alice):
    """Whatever is sent as one of these, on whatever page: else it would be compressed together with what is secret."""
    alice.is_admin = True
    db.commit()
    pattern = "&".join(f"{name}=zq7probe" for name in compression.CHOICES)
    shown = [rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    of_records = {"client_id": make_client(alice)[0].id, "token_id": make_token(alice).token.id, "user_id": alice.id}
    asked = [rule for rule in shown if "<" not in rule]
    for name, record_id in of_records.items():
        asked += [rule.replace(f"<id:{name}>", record_id) for rule in shown if rule.count("<") == 1 and name in rule]
    assert signed_in.get("/admin/users").status_code == 200, "else nobody looks at those pages"

    for path in asked:
        answer = signed_in.get(f"{path}?{pattern}", headers=GZIP)
        assert "Content-Encoding" not in answer.headers or b"zq7probe" not in gzip.decompress(answer.data), path


@pytest.mark.standard("I-03", "N-01")
@pytest.mark.parametrize(
    "path",
    [
        "/tokens?q=guess",
        "/tokens?status=ended&q=guess",
        "/activity?q=guess",
        "/docs/search?q=guess",
        "/tokens/new?description=guess",
        "/settings?x=guess",
    ],
)
def test_a_page_with_a_form_is_not_compressed_together_with_words_of_its_address(signed_in, alice, path):
    make_token(alice)
    answer = signed_in.get(path, headers=GZIP)

    assert 'name="csrf_token"' in answer.text
    assert "Content-Encoding" not in answer.headers


@pytest.mark.standard("N-01")
def test_what_a_form_carries_is_another_in_each_answer_and_each_is_as_good(signed_in):
    first, second = (pages.csrf(signed_in.get("/tokens")) for _ in range(2))

    assert first != second
    assert not any(first[at : at + 8] in second for at in range(len(first) - 8))
    for token in (first, second):
        form = {"csrf_token": token, "form_id": "f" * 43, "description": "CI"}
        assert signed_in.post("/tokens/new", data=form).status_code == 422
    assert signed_in.post("/logout", data={"csrf_token": second}).status_code == 303


def test_every_form_carries_it_masked():
    for path in TEMPLATES.rglob("*.html"):
        assert "form.csrf_token }}" not in path.read_text(encoding="utf-8"), path


@pytest.mark.standard("N-01")
def test_a_mask_with_nothing_good_under_it_opens_nothing(signed_in):
    for given in ("", "x", "ä", "*" * 40, "A" * 10_000, "AAAA", "A" * 24, vault.masked("x"), vault.masked("")):
        assert signed_in.post("/logout", data={"csrf_token": given}).status_code == 400, given[:50]


@pytest.mark.standard("N-01")
def test_a_form_that_the_version_before_showed_is_taken_and_one_of_nobody_is_not(signed_in, app):
    shown = vault.unmasked(pages.csrf(signed_in.get("/tokens")))
    of_another = vault.unmasked(pages.csrf(app.test_client().get("/login")))

    for given in (of_another, shown[:-1], f"{shown}x", "a.b.c", "."):
        assert signed_in.post("/logout", data={"csrf_token": given}).status_code == 400, given
    assert signed_in.post("/logout", data={"csrf_token": shown}).status_code == 303


@pytest.mark.standard("I-03")
def test_the_answer_to_a_form_is_never_compressed(signed_in, client):
    form = {"csrf_token": pages.csrf(signed_in.get("/tokens/new")), "form_id": "f" * 43}

    wrong = signed_in.post("/tokens/new", data=form | {"description": "guess"}, headers=GZIP)
    made = signed_in.post(
        "/tokens/new", data=form | {"description": "CI", "scope": "account:read", "expires": "7"}, headers=GZIP
    )

    assert (wrong.status_code, made.status_code) == (422, 200)
    assert "shown only once" in made.text
    assert "Content-Encoding" not in wrong.headers
    assert "Content-Encoding" not in made.headers


@pytest.mark.parametrize("path", ["/login?next=/guess", "/reset-password/guess", "/verify-email/guess"])
def test_forms_of_who_is_signed_out_are_not_compressed_with_words_either(client, path):
    client.get("/login")
    answer = client.get(path, headers=GZIP)

    assert "Content-Encoding" not in answer.headers or 'name="csrf_token"' not in gzip.decompress(answer.data).decode()


def test_the_length_of_a_page_with_a_form_is_no_measure(signed_in):
    lengths = {len(signed_in.get("/settings", headers=GZIP).data) for _ in range(12)}

    assert len(lengths) > 3


def test_small_answers_and_other_kinds_stay_as_they_are(client):
    assert "Content-Encoding" not in client.get("/healthz", headers=GZIP).headers
    assert "Content-Encoding" not in client.get("/v1/openapi.json", headers=GZIP).headers
    assert "Content-Encoding" not in client.get("/docs", headers=GZIP).headers

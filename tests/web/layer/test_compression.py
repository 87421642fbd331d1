"""What is compressed, and what never is: a page that holds a secret and somebody's words at once."""

import gzip

import pytest

from tests import pages
from tests.factories import make_client, make_token

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


@pytest.mark.standard("I-03", "N-01")
@pytest.mark.parametrize(
    "path",
    [
        "/tokens?q=guess",
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

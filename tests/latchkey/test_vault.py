"""Sealing and signing: a new key may follow an old one, and clocks of several hosts are never quite the same."""

from dataclasses import replace

import itsdangerous
import pytest
from cryptography.fernet import InvalidToken
from itsdangerous import BadSignature

from app import create_app
from latchkey import settings as settings_module
from latchkey import vault
from tests import pages

OTHER = "another-secret-key-0123456789-abcdefgh"


def change_key(settings, *, fallback: bool):
    settings_module.use(
        replace(settings, secret_key=OTHER, secret_key_fallbacks=(settings.secret_key,) if fallback else ())
    )


@pytest.mark.standard("A-09")
def test_what_an_earlier_key_sealed_or_signed_still_opens(settings):
    sealed, signed = vault.seal("a letter"), vault.signer("x").dumps("a value")

    change_key(settings, fallback=True)

    assert vault.unseal(sealed) == "a letter"
    assert vault.signer("x").loads(signed, max_age=10) == "a value"
    # What is new is under the new key alone.
    fresh = vault.seal("more"), vault.signer("x").dumps("more")
    change_key(settings, fallback=False)
    assert (vault.unseal(fresh[0]), vault.signer("x").loads(fresh[1], max_age=10)) == ("more", "more")
    with pytest.raises(InvalidToken):
        vault.unseal(sealed)
    with pytest.raises(BadSignature):
        vault.signer("x").loads(signed, max_age=10)


@pytest.mark.standard("A-09")
def test_a_person_stays_signed_in_and_their_form_is_taken_when_the_key_changes(signed_in, app, settings):
    field = pages.csrf(signed_in.get("/settings"))
    change_key(settings, fallback=True)
    other = create_app(settings_module.current())
    browser = other.test_client()
    for cookie in ("latchkey", "device"):
        browser.set_cookie(cookie, signed_in.get_cookie(cookie).value)

    assert browser.get("/tokens").status_code == 200
    assert browser.post("/logout", data={"csrf_token": field}).status_code == 303


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize(
    "ahead, taken", [(0, True), (299, True), (301, False), (-99, True), (-101, False)], ids=lambda value: str(value)
)
def test_a_signature_of_a_host_whose_clock_runs_ahead_is_taken(settings, monkeypatch, ahead, taken):
    now = itsdangerous.TimestampSigner("x").get_timestamp()
    monkeypatch.setattr(vault.Signer, "get_timestamp", lambda _self: now + ahead)
    signed = vault.signer("x").dumps("a value")
    monkeypatch.setattr(vault.Signer, "get_timestamp", lambda _self: now)

    if taken:
        assert vault.signer("x").loads(signed, max_age=100) == "a value"
    else:
        with pytest.raises(BadSignature):
            vault.signer("x").loads(signed, max_age=100)


def test_a_session_of_a_host_whose_clock_runs_ahead_is_one(app, client, alice, monkeypatch):
    now = itsdangerous.TimestampSigner("x").get_timestamp()
    monkeypatch.setattr(vault.Signer, "get_timestamp", lambda _self: now + 290)
    pages.sign_in(client, alice)
    monkeypatch.undo()

    assert client.get("/tokens").status_code == 200


def test_what_was_sealed_as_one_thing_is_no_other(settings):
    sealed = vault.seal_as("form", "a: text")

    assert vault.unseal_as("form", sealed) == "a: text"
    assert vault.unseal_as("challenge", sealed) is None
    assert {vault.unseal_as("form", other) for other in (vault.seal("form"), vault.seal("a: text"), "é", "")} == {None}

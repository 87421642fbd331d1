"""Making an account and proving its address."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from latchkey.accounts import users
from tests import pages
from tests.factories import PASSWORD, make_user

ADA = {"name": "Ada", "email": "ada@example.com", "password": PASSWORD}


def sign_up(client, **fields):
    return pages.submit(client, "/signup", **{**ADA, **fields})


def test_a_newcomer_follows_the_mailed_link_to_welcome(client, mailbox):
    answer = sign_up(client)

    letter = mailbox.last("ada@example.com")
    opened = pages.submit(client, letter.link("/verify-email/"))
    assert (answer.status_code, "Check your e-mail" in answer.text) == (200, True)
    assert (opened.status_code, opened.location) == (303, "/")
    assert "Welcome, Ada" in client.get("/").text
    assert users.find_by_email("ada@example.com").verified


def test_nobody_is_signed_in_before_the_link_is_opened(client, mailbox):
    sign_up(client)

    assert client.get("/settings").status_code == 303
    assert not users.find_by_email("ada@example.com").verified


@pytest.mark.standard("L-04")
def test_a_taken_address_gets_the_same_answer_and_its_owner_a_letter(app, mailbox):
    make_user("alice@example.com")
    free = sign_up(app.test_client(), email="clara@example.com")

    taken = sign_up(app.test_client(), email="Alice@example.com", password="another-owl-38-cabinet")

    letter = mailbox.last("alice@example.com")
    assert (taken.status_code, len(taken.text)) == (free.status_code, len(free.text))
    assert set(taken.headers.keys()) == set(free.headers.keys())
    assert "already" in letter.subject
    assert "/verify-email" not in letter.text
    assert users.authenticate(users.find_by_email("alice@example.com"), PASSWORD)
    assert users.authenticate(users.find_by_email("alice@example.com"), "another-owl-38-cabinet") is None


def test_nobodys_mailbox_is_flooded_by_signing_up_with_their_address(app, client, alice, mailbox):
    spellings = [
        "alice@example.com",
        "Alice+1@example.com",
        "a.lice@example.com",
        "alice+2@example.com",
        "al.ice@example.com",
    ]
    statuses = [sign_up(client, email=email).status_code for email in [*spellings, "alice+3@example.com", alice.email]]

    assert statuses == [200] * 5 + [429] * 2
    assert len(mailbox.letters()) == 5


BAD_NAMES = ["", "  ", "\x00", "Ada\x00", "\u200b\u200b", "Ada\u202e", "A" * 81, "A" * 40_000]
BAD_EMAILS = [
    "",
    " ",
    "ada",
    "ada@example.com\x00",
    "ada@example.com\nBcc: bob@example.com",
    "<b>ada@example.com</b>",
    "\u202eada@example.com",
    "a@b" * 10_000,
]
BAD_PASSWORDS = ["", "short", "password12345678", "a" * 257, "b" * 40_000, "adaada@example.com"]


@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize(
    "field, value",
    [
        *(("name", value) for value in BAD_NAMES),
        *(("email", value) for value in BAD_EMAILS),
        *(("password", value) for value in BAD_PASSWORDS),
    ],
)
def test_bad_input_is_named_beside_its_field_and_the_rest_is_kept(client, field, value):
    answer = sign_up(client, **{field: value})

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text
    assert f'aria-describedby="{field}-error' in answer.text
    kept = {"name": 'value="Ada"', "email": 'value="ada@example.com"'}
    for other, text in kept.items():
        assert (text in answer.text) == (other != field)
    assert PASSWORD not in answer.text
    assert users.find_by_email("ada@example.com") is None


def test_bytes_that_are_no_text_are_refused(client):
    fields = {"csrf_token": pages.csrf(client.get("/signup")), "password": PASSWORD, "email": "ada@example.com"}
    head = '--b\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    in_parts = "".join(head.format(*item) for item in fields.items()) + head.format("name", "Ada\xff") + "--b--\r\n"

    parts = client.post("/signup", data=in_parts.encode("latin-1"), content_type="multipart/form-data; boundary=b")
    plain = client.post(
        "/signup",
        data=urlencode(fields).encode() + b"&name=Ada\xff",
        content_type="application/x-www-form-urlencoded",
    )

    assert (parts.status_code, 'id="name-error"' in parts.text) == (422, True)
    assert plain.status_code == 400


def test_missing_fields_are_all_named(client):
    answer = client.post("/signup", data={"csrf_token": pages.csrf(client.get("/signup"))})

    assert answer.status_code == 422
    assert "3 things need another look" in answer.text


@pytest.mark.parametrize("field", ["name", "email", "password"])
def test_what_is_far_too_long_is_refused_beside_its_field(client, field):
    answer = sign_up(client, **{field: "A" * 60_000})

    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.text


def test_more_than_a_form_holds_is_not_read_at_all(client):
    assert sign_up(client, name="A" * 3_000_000).status_code == 413


@pytest.mark.unnoted("others run the same lines")
@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "محمد علي", "李小龍", 'Zoë "Z" O\'Hara'])
def test_names_of_all_kinds_are_welcome(client, mailbox, name):
    sign_up(client, name=name)

    pages.submit(client, mailbox.last("ada@example.com").link("/verify-email/"))

    assert users.find_by_email("ada@example.com").name == name
    assert "<script>alert" not in client.get("/").text


def test_a_form_without_its_token_is_refused_with_a_way_to_try_again(client):
    client.get("/signup")

    answer = client.post("/signup", data=ADA, headers={"Sec-Fetch-Site": "same-origin"})

    assert answer.status_code == 400
    assert "Send it again" in answer.text
    assert PASSWORD not in answer.text
    assert users.find_by_email("ada@example.com") is None


def test_the_way_on_survives_the_mail(app, client, mailbox):
    way = "/oauth/authorize?client_id=app_1&state=a%20b"
    page = client.get("/signup", query_string={"next": way})
    assert 'value="/oauth/authorize?client_id=app_1&amp;state=a%20b"' in page.text

    pages.submit(client, "/signup", **ADA, next=way)
    link = mailbox.last("ada@example.com").link("/verify-email/")
    elsewhere = pages.submit(app.test_client(), link)
    here = pages.submit(client, link)

    assert (here.status_code, here.location) == (303, way)
    assert parse_qs(urlsplit(elsewhere.location).query)["next"] == [way]


def test_whoever_is_signed_in_is_led_on(signed_in):
    assert signed_in.get("/signup").location == "/"
    assert signed_in.get("/signup?next=/tokens").location == "/tokens"


@pytest.mark.standard("L-12")
@pytest.mark.settings(signup="invite")
def test_without_an_invitation_nobody_gets_an_account(client):
    page = client.get("/signup")
    answer = client.post("/signup", data={"csrf_token": pages.csrf(client.get("/login")), **ADA})

    assert "made by an administrator" in page.text
    assert "<form" not in page.text
    assert answer.status_code == 403
    assert users.find_by_email("ada@example.com") is None


@pytest.mark.standard("L-12")
@pytest.mark.settings(signup="example.com, example.org")
def test_only_addresses_at_the_operators_domains_get_an_account(client):
    outside = sign_up(client, email="ada@evil.example")
    inside = sign_up(client, email="ada@EXAMPLE.org")

    assert (outside.status_code, "at example.com, example.org." in outside.text) == (422, True)
    assert inside.status_code == 200
    assert users.find_by_email("ada@example.org")


@pytest.mark.slow("sixty people sign up")
@pytest.mark.settings(mode="production", mail_server="mail.example.com")
def test_one_network_makes_twenty_accounts_in_ten_minutes_and_sixty_an_hour(client, clock):
    def fill(batch, times=21):
        answers = [sign_up(client, email=f"{batch}-{number}@example.com") for number in range(times)]
        clock.move(minutes=10)
        return [answer.status_code for answer in answers], answers[-1].headers.get("Retry-After")

    first, second, third, fourth = (fill(batch) for batch in "abcd")

    assert first == second == ([200] * 20 + [429], "600")
    assert third == ([200] * 20 + [429], "2400")
    assert fourth == ([429] * 21, "1800")
    assert users.find_by_email("a-20@example.com") is None


@pytest.mark.settings(mode="production", mail_server="mail.example.com")
@pytest.mark.unnoted("others run the same lines")
def test_a_sign_up_that_is_wrong_takes_nothing_from_those_that_are_right_but_is_counted_before_it_is_looked_at(client):
    form = {"csrf_token": pages.csrf(client.get("/signup")), "name": "Ada", "email": "ada@", "password": PASSWORD}

    wrong = [client.post("/signup", data=form).status_code for _ in range(61)]

    assert wrong == [422] * 60 + [429]


@pytest.mark.standard("L-08")
def test_a_letter_goes_to_the_domain_that_was_typed_and_to_no_other(client, mailbox):
    page = sign_up(client, email="vic@straße.example")

    assert "vic@straße.example" in page.text
    assert mailbox.last("vic@xn--strae-oqa.example")
    assert users.find_by_email("vic@strasse.example") is None


@pytest.mark.standard("A-07", "L-05")
@pytest.mark.unnoted("others run the same lines")
def test_refused_sign_ups_are_counted_before_anything_is_judged(client, monkeypatch):
    judged = []
    monkeypatch.setattr("zxcvbn.zxcvbn", lambda *_, **__: judged.append(1) or {"guesses": 1})

    answers = [sign_up(client, email=f"a{number}@example.com").status_code for number in range(62)]

    assert answers == [422] * 60 + [429] * 2
    assert len(judged) == 60


@pytest.mark.standard("J-04")
def test_nobody_is_called_like_the_operator(client):
    answer = sign_up(client, name="Latchkey Security Team")

    assert answer.status_code == 422
    assert "Leave Latchkey out of the name" in answer.text


@pytest.mark.settings(mode="production")
@pytest.mark.parametrize(
    "path, heading",
    [("/signup", "Nobody can sign up yet"), ("/forgot-password", "No letter can be sent yet")],
)
def test_a_portal_that_cannot_send_mail_says_so(client, path, heading):
    for answer in (client.get(path), pages.submit(client, path, form="/login", email="a@b.example", name="A")):
        assert answer.status_code == 503
        assert f"<h1>{heading}</h1>" in answer.text
        assert "This portal cannot send mail yet" in answer.text

"""/dev/mail: what was written, readable in development and nowhere else."""

import re

import pytest

from latchkey.mail import outbox
from tests.latchkey.notices.test_notices import Plain

LINK = "http://localhost/verify-email/one-time"


@pytest.fixture
def letters(app, db, clock):
    """A link for Alice, then a note for Bob, both delivered into the instance folder."""
    with app.app_context():
        for to, name in (("alice@example.com", "verify_email"), ("bob@example.com", "address_taken")):
            outbox.post(to, name, link=LINK)
            db.commit()
            clock.move(minutes=1)
        outbox.deliver()


def first_letter(client) -> str:
    return re.findall(r'href="(/dev/mail/ltr_[0-9a-f]+)"', client.get("/dev/mail").text)[0]


@pytest.mark.usefixtures("letters")
def test_letters_are_listed_newest_first(client):
    page = Plain(client.get("/dev/mail").text)

    assert "Mail" in page.words
    assert page.words.index("You already have an account") < page.words.index("Confirm your e-mail address")
    assert "To bob@example.com" in page.words


def test_no_letter_yet(client):
    assert "No letter was written yet." in client.get("/dev/mail").text


@pytest.mark.usefixtures("letters")
def test_a_letter_shows_its_text_with_links_that_can_be_followed(client):
    path = re.findall(r'href="(/dev/mail/ltr_[0-9a-f]+)"', client.get("/dev/mail").text)[1]

    answer = client.get(path)
    page = Plain(answer.text)

    assert LINK in page.links
    assert "From Latchkey <latchkey@localhost> to alice@example.com" in page.words
    assert f"{path}/html" in page.links
    assert f"{path}/source" in page.links
    assert "frame-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.usefixtures("letters")
def test_the_html_part_is_alone_in_its_frame(client):
    answer = client.get(f"{first_letter(client)}/html")

    assert answer.content_type == "text/html; charset=utf-8"
    assert "<h1" in answer.text
    assert '<base target="_top">' in answer.text
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy


@pytest.mark.usefixtures("letters")
def test_the_source_is_what_would_travel(client):
    answer = client.get(f"{first_letter(client)}/source")

    assert answer.content_type == "text/plain; charset=utf-8"
    assert "Subject: You already have an account\n" in answer.text.replace("\r\n", "\n")
    assert "Content-Type: multipart/alternative" in answer.text


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("path", ["ltr_" + "0" * 28, "ltr_short", "..%2f..%2fsecret_key", "usr_" + "0" * 28])
@pytest.mark.parametrize("part", ["", "/html", "/source"])
def test_there_is_no_such_letter(client, path, part):
    assert client.get(f"/dev/mail/{path}{part}").status_code == 404


@pytest.mark.standard("A-04")
@pytest.mark.settings(mode="production")
@pytest.mark.usefixtures("letters")
def test_production_shows_no_mail(client, settings):
    [newest, _] = sorted((settings.instance / "mail").iterdir(), reverse=True)

    for path in ("", f"/{newest.stem}", f"/{newest.stem}/html", f"/{newest.stem}/source"):
        assert client.get(f"/dev/mail{path}").status_code == 404


@pytest.mark.parametrize(
    "host,status",
    [
        ("localhost:5000", 200), ("127.0.0.1:5000", 200), ("[::1]:5000", 200), ("192.0.2.7", 200),
        ("dev.example.com", 200), ("evil.example", 404),
        ("127.0.0.1.evil.example", 404), ("localhost.evil.example:5000", 404),
        ("", 404),
    ],
)  # fmt: skip
@pytest.mark.settings(base_url="http://dev.example.com")
@pytest.mark.usefixtures("letters")
def test_a_site_that_makes_its_own_name_lead_here_reads_no_mail(client, settings, host, status):
    [newest, _] = sorted((settings.instance / "mail").iterdir(), reverse=True)

    for path in ("", f"/{newest.stem}", f"/{newest.stem}/html", f"/{newest.stem}/source"):
        assert client.get(f"/dev/mail{path}", headers={"Host": host}).status_code == status


@pytest.mark.settings(mail_server="mail.example.com")
def test_where_letters_go_is_told(client):
    assert "sent through mail.example.com" in client.get("/dev/mail").text

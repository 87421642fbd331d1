import re

import pytest
from flask import render_template_string

pytestmark = pytest.mark.either_database("asks the database nothing")

HTML = """{% extends "mail/_email.html" %}{% block subject %}New token: {{ name }}{% endblock %}
{% block preview %}Created just now.{% endblock %}
{% block content %}{% call mail.p() %}A token was created.{% endcall %}
{{ mail.facts([("Scopes", "account:read"), ("Name", name)]) }}
{{ mail.button("https://portal.example.com/tokens/x?a=b&c=d", "Review this token") }}{% endblock %}
{% block why %}It cannot be switched off.{% endblock %}"""


@pytest.fixture
def mail(app):
    with app.test_request_context():
        return render_template_string(HTML, name="<img src=//evil.example>")


@pytest.mark.standard("P-06")
def test_a_mail_escapes_what_people_typed(mail):
    assert "<img" not in mail
    assert mail.count("&lt;img") == 3


def test_a_mail_loads_nothing_and_runs_nothing(mail):
    assert not re.search(r"<(img|script|link|iframe)|url\(|@import|background=", mail)
    assert set(re.findall(r'(?:href|src)="([^"]+)"', mail)) == {
        "https://portal.example.com/tokens/x?a=b&amp;c=d",
        "http://localhost/hacked",
    }


def test_the_button_of_a_mail_has_its_address_in_full(mail):
    assert mail.count('href="https://portal.example.com/tokens/x?a=b&amp;c=d"') == 2
    assert ">https://portal.example.com/tokens/x?a=b&amp;c=d</a>" in mail


@pytest.mark.settings(brand_name="Acme", brand_accent="#2457d6", base_url="https://portal.example.com")
def test_a_mail_wears_the_operators_brand(mail):
    assert "#2457d6" in mail
    assert "#0b6b5c" not in mail
    assert "Acme, portal.example.com" in mail


def test_the_text_of_a_mail_is_plain(app):
    text = (
        '{% extends "mail/_email.txt" %}{% block subject %}New token{% endblock %}'
        "{% block content %}Made by {{ name }}.\n{% endblock %}{% block why %}Why it came.{% endblock %}"
    )
    with app.test_request_context():
        template = app.jinja_env.overlay(autoescape=False).from_string(text)
        written = template.render(name="Ada & Bob")

    wrong = "Somebody else is in your account? End everything at once: http://localhost/hacked"
    assert written == f"New token\n\nMade by Ada & Bob.\n\n--\nWhy it came.\n{wrong}\nLatchkey, http://localhost"

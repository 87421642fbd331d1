import re

import pytest
from flask import flash, render_template, render_template_string
from flask_wtf import FlaskForm
from wtforms import BooleanField, PasswordField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from latchkey import scopes
from latchkey.accounts import sessions
from latchkey.settings import ROOT

HEAD = '{% import "macros/ui.html" as ui %}'


class Form(FlaskForm):
    name = StringField("Name", [InputRequired("Tell us your name.")])
    password = PasswordField("Password", [Length(min=12, message="Use at least 12 characters.")])
    about = TextAreaField("About", [InputRequired("Say something.")])
    sure = BooleanField("I am sure")


@pytest.fixture
def show(app):
    """Render a bit of a page that uses the macros."""

    def show(source, data=None, **context):
        with app.test_request_context("/", method="POST" if data is not None else "GET", data=data):
            form = Form(meta={"csrf": False})
            if data is not None:
                form.validate()
            return render_template_string(HEAD + source, form=form, **context)

    return show


@pytest.fixture
def page(app, alice):
    """Alice's view of a page that extends the signed-in shell."""

    def page(headers=None, **changes):
        session = sessions.open(alice)
        for name, value in changes.items():
            setattr(session.user, name, value)
        with app.test_request_context("/", headers=headers):
            return render_template_string('{% extends "_app.html" %}{% set section = "apps" %}', current_user=session)

    return page


def attributes(text, element):
    found = re.search(rf"<{element}\b([^>]*)>", text)
    assert found, text
    return found.group(1)


def test_a_field_has_a_label_and_tells_what_it_is_for(show):
    text = show('{{ ui.field(form.name, hint="As on letters.", autocomplete="name") }}')

    assert '<label class="label" for="name">Name</label>' in text
    control = attributes(text, "input")
    assert 'aria-describedby="name-hint"' in control
    assert 'autocomplete="name"' in control
    assert "aria-invalid" not in control
    assert '<p class="hint" id="name-hint">As on letters.</p>' in text


def test_an_invalid_field_says_so_to_everyone(show):
    text = show('{{ ui.field(form.name, hint="As on letters.") }}', data={})

    control = attributes(text, "input")
    assert 'aria-invalid="true"' in control
    assert 'aria-describedby="name-error name-hint"' in control
    assert re.search(r'<p class="error" id="name-error">.*Tell us your name\.', text)


def test_only_the_first_invalid_field_takes_the_focus(show):
    text = show(
        "{{ ui.field(form.name) }}{{ ui.field(form.password) }}{{ ui.field(form.about) }}", data={"name": "Ada"}
    )

    assert len(re.findall("data-autofocus", text)) == 1
    assert "data-autofocus" in re.search(r"<input[^>]*password[^>]*>", text).group()


def test_what_was_typed_is_kept_and_harmless_but_a_password_is_not(show):
    text = show(
        "{{ ui.field(form.name) }}{{ ui.field(form.password) }}", data={"name": '"><script>', "password": "hunter2"}
    )

    assert "<script>" not in text
    assert "&#34;&gt;&lt;script&gt;" in text
    assert "hunter2" not in text


def test_three_errors_are_listed_with_links(show):
    text = show("{{ ui.error_list(form) }}", data={})

    assert "3 things need another look" in text
    assert re.findall(r'<a href="#(\w+)">', text) == ["name", "password", "about"]
    assert "need another look" not in show("{{ ui.error_list(form) }}", data={"name": "Ada"})


def test_each_scope_is_a_checkbox_that_is_called_by_its_name(show):
    text = show("{{ ui.scope_picker(groups, chosen) }}", groups=scopes.groups(), chosen=["tokens:read"])

    boxes = re.findall(r'<input[^>]*name="scope"[^>]*>', text)
    assert [re.search('value="([^"]+)"', box).group(1) for box in boxes] == list(scopes.catalogue())
    assert [box for box in boxes if " checked" in box] == [box for box in boxes if 'value="tokens:read"' in box]
    for box in boxes:
        label = re.search('aria-labelledby="([^"]+)"', box).group(1)
        name = re.search('value="([^"]+)"', box).group(1)
        assert f'<code id="{label}">{name}</code>' in text
    assert '<legend class="label--lg">Scopes</legend>' in text
    assert "Select all scopes" in text
    assert f"1 of {len(boxes)} selected" in text


def test_without_script_enter_does_not_tick_every_scope(show):
    text = show("{{ ui.scope_picker(groups) }}", groups=scopes.groups())

    first, second = re.findall("<button[^>]*>", re.search("<noscript>(.*)</noscript>", text).group(1))
    assert "name=" not in first
    assert 'name="do" value="select-all"' in second


def test_a_picker_without_a_choice_says_so_and_takes_the_focus(show):
    text = show('{{ ui.scope_picker(groups, errors=["Choose at least one scope."]) }}', groups=scopes.groups())

    assert 'aria-describedby="scope-error"' in text
    assert re.search(r'<p class="error" id="scope-error" tabindex="-1" data-autofocus[^>]*>.*Choose at least one', text)


def test_scopes_that_cannot_be_given_are_disabled(show):
    text = show("{{ ui.scope_picker(groups, held=held) }}", groups=scopes.groups(), held={"account:read"})

    assert len(re.findall(" disabled", text)) == len(scopes.catalogue()) - 1


@pytest.mark.parametrize("start,end", [('confirm_dialog("revoke", ', ""), ("confirm_page(", ', "/tokens"')])
def test_a_dialog_asks_what_its_page_asks(show, start, end):
    question = '"Revoke “CI”?", "It stops.", "/tokens/x/revoke", "Revoke token", "Keep token"'

    text = show("{{ ui." + start + question + end + ") }}")

    assert 'method="post" action="/tokens/x/revoke"' in text
    assert 'name="csrf_token"' in text
    assert re.search(r'<button class="btn btn--danger" type="submit">Revoke token</button>', text)
    assert "Keep token" in text


def test_a_list_that_ends_has_no_pager(show):
    assert show("{{ ui.pager(none) }}").strip() == ""
    assert 'href="/tokens?cursor=x"' in show('{{ ui.pager("/tokens?cursor=x") }}')


@pytest.mark.standard("J-04")
def test_an_app_cannot_write_on_our_pages(show):
    text = show("{{ ui.app_icon(name) }}", name="<script>")

    assert "<script>" not in text


@pytest.mark.either_database("none of them asks the database anything", after=1)
@pytest.mark.parametrize("cookie,theme", [("dark", "dark"), ("light", "light"), ('"><b>', None), (None, None)])
def test_the_chosen_theme_is_there_from_the_first_byte(client, cookie, theme):
    if cookie:
        client.set_cookie("theme", cookie)

    text = client.get("/nowhere").text

    assert (f'<html lang="en" data-theme="{theme}">' if theme else '<html lang="en">') in text
    assert "<b>" not in text


def test_what_happened_is_read_aloud_and_stands_there_without_script(app):
    with app.test_request_context("/"):
        flash("Revoked “CI deploy” <b>.")
        text = render_template("_focus.html")

    assert re.search(
        r'<div id="status"[^>]*role="status"[^>]*><p class="toast">Revoked “CI deploy” &lt;b&gt;\.</p>', text
    )


def test_the_shell_names_every_place_and_marks_where_one_is(page):
    text = page()

    links = re.findall(r'<a href="([^"]+)"(?: aria-current="(page)")?><svg.*?</svg>([^<]+)</a>', text)
    assert links == [
        ("/tokens", "", "Tokens"),
        ("/apps", "page", "OAuth apps"),
        ("/authorized-apps", "", "Authorized applications"),
        ("/activity", "", "Activity"),
        ("/settings", "", "Settings"),
        ("/docs/authentication", "", "Documentation"),
    ]
    assert re.search(r'<form method="post" action="/logout"><input type="hidden" name="csrf_token"', text)
    assert 'aria-label="Sign out"' in text


def test_an_address_that_is_not_verified_is_pointed_out_on_every_page(page):
    assert "Verify your e-mail address" not in page()
    assert "Verify your e-mail address" in page(email_verified_at=None)


def test_every_place_that_the_shell_names_is_there(page, signed_in):
    for address in re.findall(r'<a[^>]* href="(/[^"]*)"', page()):
        assert signed_in.get(address).status_code == 200, address


def test_every_class_that_a_page_names_is_styled_or_looked_for():
    """Letters aside, which have their styles within. Classes that are put together of parts are not looked at."""
    sheets, scripts = (
        "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "static").rglob(kind)))
        for kind in ("*.css", "*.js")
    )
    known = {*re.findall(r"\.([a-z][\w-]*)", sheets), *re.findall(r"[\w-]+", scripts)}
    pages = [path for path in (ROOT / "templates").rglob("*.html") if "mail" not in path.parts and path.stem != "mail"]

    named = {
        name: path.name
        for path in pages
        for names in re.findall(r'class="([^"{]*)"', path.read_text(encoding="utf-8"))
        for name in names.split()
    }

    assert len(named) > 100
    assert not {name: page for name, page in named.items() if name not in known}

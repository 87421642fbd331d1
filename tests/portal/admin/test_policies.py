"""Policies: stored, fixed by the environment, held by every process, and what each of them does."""

import json
import re
import urllib.request
from dataclasses import replace
from functools import partial

import pytest
from flask import render_template
from sqlalchemy import select

from latchkey import clients, origin, settings
from latchkey.journal.acts import Act
from latchkey.oversight import policies
from latchkey.oversight.policies import Policy
from tests import factories, pages, servers
from tests.crowd import at_once

NOBODY = pytest.mark.settings(require_second_factor="nobody")


def save(admin, **fields):
    return pages.submit(admin, "/admin/policies", **fields)


def test_an_administrator_without_a_second_factor_is_led_to_set_one_up(admin):
    answer = admin.get("/admin/users")

    assert (answer.status_code, answer.location) == (303, "/settings/security?next=/admin/users")
    assert "Administration takes a second factor" in admin.get(answer.location).text


@NOBODY
def test_a_policy_is_stored_recorded_and_in_force_at_once(db, admin):
    assert save(admin, token_max_days="30", token_default_days="7", apps="administrators").status_code == 303

    in_force = settings.current()
    assert (in_force.token_max_days, in_force.token_default_days, in_force.apps) == (30, 7, "administrators")
    acts = db.scalars(select(Act).where(Act.kind == "policies.changed").order_by(Act.id)).all()
    assert [act.target for act in acts] == ["token_max_days = 30", "token_default_days = 7", "apps = administrators"]
    assert 'value="30"' in admin.get("/admin/policies").text

    save(admin, token_max_days="")
    assert settings.current().token_max_days is None


@NOBODY
@pytest.mark.parametrize(
    "name, value",
    [
        ("signup", ",".join(f"d{number}.example.com" for number in range(300))),
        ("token_max_days", "0"), ("token_max_days", "x" * 400), ("token_default_days", "-1"), ("apps", "nobody"),
        ("signup", "not a domain!"), ("introspection", "all"), ("require_second_factor", "x"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_beside_its_field_and_changes_nothing(db, admin, name, value):
    answer = save(admin, **{"token_default_days": "12", name: value})

    # A second factor was named at the start of this test, so it is fixed and nothing is read for it.
    assert answer.status_code == (303 if name == "require_second_factor" else 422)
    if answer.status_code == 422:
        assert "Allowed is" in answer.text
        assert db.scalars(select(Policy)).all() == []


@pytest.mark.settings(require_second_factor="nobody", signup="invite", token_max_days=90)
def test_what_the_environment_names_is_shown_as_fixed_and_stays(db, admin):
    page = admin.get("/admin/policies").text
    assert page.count("Set by the environment") == 3
    assert "LATCHKEY_SIGNUP" in page

    save(admin, signup="open", token_max_days="3660", require_second_factor="everybody")

    assert (settings.current().signup, settings.current().token_max_days) == ("invite", 90)
    assert settings.current().require_second_factor == "nobody"


@NOBODY
def test_what_the_file_names_is_shown_as_set_there(admin, tmp_path):
    (tmp_path / "config.toml").write_text('signup = "invite"\n')
    given = settings.read({"LATCHKEY_TOKEN_MAX_DAYS": "90"}, instance=tmp_path).given
    settings.use(replace(settings.base(), given=given))

    page = admin.get("/admin/policies").text

    assert re.findall(r"(Set [a-z. ]+)</span><code[^>]*>(\w+)</code>", page) == [
        ("Set by the environment", "LATCHKEY_TOKEN_MAX_DAYS"), ("Set in config.toml", "signup"),
    ]  # fmt: skip


@NOBODY
def test_what_a_later_version_wrote_does_not_count(db, admin, caplog):
    db.add_all([Policy(name="token_max_days", value=json.dumps("soon")), Policy(name="future", value=json.dumps("x"))])
    db.commit()

    policies.refresh()

    assert settings.current().token_max_days is None
    assert "token_max_days cannot be read" in caplog.text


@NOBODY
def test_only_administrators_register_apps_where_that_is_the_policy(db, app, admin, signed_in, alice):
    save(admin, apps="administrators")

    assert signed_in.get("/apps/new").status_code == 403
    assert "/apps/new" not in signed_in.get("/apps").text
    assert admin.get("/apps/new").status_code == 200
    wanted = {"name": "X", "redirect_uris": [factories.CALLBACK], "scopes": ["account:read"], "confidential": True}
    with pytest.raises(clients.AppsClosed):
        clients.register(alice, **wanted)
    token = factories.make_token(alice, scopes=["apps:write"]).plaintext
    answer = app.test_client().post(
        "/v1/apps",
        json={"name": "X", "redirect_uris": [factories.CALLBACK], "scopes": ["account:read"]},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert (answer.status_code, answer.json["type"].rpartition("#")[2]) == (403, "problem-apps-closed")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.settings(apps="administrators")
def test_an_operator_registers_an_app_for_anybody(app, alice):
    origin.current.set(origin.COMMAND_LINE)

    assert factories.make_client(alice).client.owner_id == alice.id


@NOBODY
def test_the_preset_life_is_what_the_form_starts_with(admin):
    save(admin, token_default_days="14")

    checked = re.findall(r"<input[^>]*checked[^>]*>", admin.get("/tokens/new").text)
    assert any('value="14"' in field for field in checked)


@pytest.mark.standard("P-02")
@NOBODY
def test_a_long_value_hides_no_other_from_those_who_read_what_was_changed(db, admin):
    many = ",".join(f"department-{number}.example.com" for number in range(40))
    save(admin, signup=many, introspection="marked")

    told = db.scalars(select(Act.target).where(Act.kind == "policies.changed")).all()
    assert "introspection = marked" in told


@NOBODY
def test_a_page_that_was_open_for_long_takes_nothing_back_that_somebody_else_saved(db, app, admin):
    page = admin.get("/admin/policies")
    fields = dict(re.findall(r'<input type="hidden" name="(was_\w+)" value="([^"]*)"', page.text))
    assert fields["was_apps"] == "everybody"
    opened = {name.removeprefix("was_"): value for name, value in fields.items()} | fields
    other = pages.sign_in(app.test_client(), factories.make_user("grace@example.com", admin=True))
    save(other, signup="invite", apps="administrators")

    bad = admin.post("/admin/policies", data=opened | {"csrf_token": pages.csrf(page), "token_max_days": "x"})
    kept = dict(re.findall(r'<input type="hidden" name="(was_\w+)" value="([^"]*)"', bad.text))
    assert (bad.status_code, kept) == (422, fields)
    saved = admin.post("/admin/policies", data=opened | {"csrf_token": pages.csrf(page), "token_max_days": "30"})

    assert saved.status_code == 303
    assert policies.written() == {"signup": "invite", "apps": "administrators", "token_max_days": "30"}


@NOBODY
def test_what_was_typed_stands_there_again_after_fresh_proof(db, app, admin, clock):
    page = admin.get("/admin/policies")
    clock.move(minutes=16)
    fields = dict(re.findall(r'<input type="hidden" name="(was_\w+)" value="([^"]*)"', page.text))
    typed = {"token_max_days": "45", "brand_tagline": "Keys for the whole house", "apps": "administrators"}
    asked = admin.post("/admin/policies", data=fields | typed | {"csrf_token": pages.csrf(page)})
    assert (asked.status_code, policies.written()) == (403, {})

    kept = re.search(r'name="kept" value="([^"]+)"', asked.text)[1]
    data = {"csrf_token": pages.csrf(asked), "kept": kept, "next": "/admin/policies", "password": factories.PASSWORD}
    admin.post("/login/again", data=data)
    again = admin.get("/admin/policies")

    assert 'value="45"' in again.text
    assert 'value="Keys for the whole house"' in again.text
    assert re.search(r'<option value="administrators" selected>Administrators</option>', again.text)
    kept = dict(re.findall(r'<input type="hidden" name="(was_\w+)" value="([^"]*)"', again.text))
    saved = admin.post("/admin/policies", data=kept | typed | {"csrf_token": pages.csrf(again)})
    assert saved.status_code == 303
    assert policies.written() == typed


@NOBODY
def test_the_words_of_the_company_are_policies_and_hold_on_the_next_page(app, db, admin):
    save(
        admin,
        brand_tagline="Keys for the whole house",
        api_docs_url="https://docs.example.com/api",
        links="Terms=https://example.com/terms",
        operator_guides="administrators",
    )

    nobody = app.test_client()
    landing, guide = nobody.get("/").text, nobody.get("/docs/scopes").text
    assert "Keys for the whole house" in landing
    assert 'href="https://example.com/terms"' in landing
    assert 'href="https://docs.example.com/api"' in guide
    assert nobody.get("/docs/your-api").status_code == 404
    with app.test_request_context():
        assert "https://example.com/terms" in render_template("mail/test/body.txt")

    save(admin, brand_tagline="", links="")
    assert "Keys for the whole house" not in app.test_client().get("/").text


@NOBODY
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize(
    "name, value",
    [
        ("brand_tagline", "<b>x</b>"), ("brand_tagline", "x" * 161), ("api_docs_url", "javascript:alert(1)"),
        ("api_docs_url", "http://docs.example.com"), ("links", "Terms=ftp://example.com"), ("links", "Terms"),
        ("operator_guides", "nobody"),
    ],
)  # fmt: skip
def test_words_that_no_page_may_hold_are_refused(app, db, admin, name, value):
    assert save(admin, **{name: value}).status_code == 422
    assert policies.written() == {}


@NOBODY
@pytest.mark.parametrize(
    "name, value, said",
    [
        ("token_max_days", "many", "Allowed is a whole number from 1 to 3660."),
        ("approval_scopes", "nothing:here", "Allowed is scopes of the catalogue."),
    ],
)
def test_a_policy_that_cannot_be_is_answered_by_a_sentence_that_says_what_can(db, admin, name, value, said):
    errors = re.findall(r'<p class="error"[^>]*>.*?<span>(.*?)</span>', save(admin, **{name: value}).text, re.DOTALL)

    assert errors == [said]


@NOBODY
def test_each_policy_stands_on_the_page_once(admin):
    page = admin.get("/admin/policies").text

    names = re.findall(r'<(?:select|input) class="input" id="(\w+)"', page)
    assert sorted(names) == sorted({*policies.NAMES, *policies.LISTS} - {"require_second_factor"})


@NOBODY
def test_saving_at_once_leaves_one_value_and_no_fault(app, db, admin):
    people = [factories.make_user(f"a{number}@example.com", admin=True) for number in range(4)]
    browsers = [pages.sign_in(app.test_client(), person) for person in people]
    tokens = [pages.csrf(browser.get("/admin/policies")) for browser in browsers]

    def press(browser, token, days):
        data = {"csrf_token": token, "token_max_days": str(days)}
        return browser.post("/admin/policies", data=data).status_code

    answers = at_once(*(partial(press, *each) for each in zip(browsers, tokens, range(30, 34), strict=True)))

    assert answers == [303] * 4
    assert len(db.scalars(select(Policy)).all()) == 1


@pytest.mark.slow("starts a server and waits for it")
def test_a_policy_holds_in_another_process_within_five_seconds(live_server, db):
    def closed() -> bool:
        with urllib.request.urlopen(f"{live_server.url}/signup") as answer:
            return b"Accounts are by invitation" in answer.read()

    assert not closed()
    db.add(Policy(name="signup", value=json.dumps("invite")))
    db.commit()

    # A request may have to wait for a processor before it is judged.
    assert policies.SECONDS < 5
    servers.wait_until(closed, "the policy to hold there")


@NOBODY
def test_apps_by_document_their_hosts_and_registration_are_policies(app, db, admin):
    save(admin, client_documents="listed", document_hosts="app.example.com", client_registration="open")

    assert policies.written() == {
        "client_documents": "listed",
        "document_hosts": "app.example.com",
        "client_registration": "open",
    }
    assert app.test_client().post("/oauth/register", json={}).status_code == 400
    assert save(admin, document_hosts="not a host!").status_code == 422


@NOBODY
def test_another_accent_is_looked_at_before_it_is_set(admin):
    page = admin.get("/admin/policies/theme?accent=%23AA3366").text
    sheet = admin.get(re.search(r'href="(/brand/preview\.css\?[^"]+)"', page)[1].replace("&amp;", "&"))

    assert "LATCHKEY_BRAND_ACCENT=#aa3366" in page
    assert page.count("inert>") == 2
    assert sheet.content_type == "text/css; charset=utf-8"
    assert "--accent: light-dark(#aa3366" in sheet.text
    assert ".theme--dark { color-scheme: dark; }" in sheet.text
    assert settings.current().brand_accent == "#0b6b5c"


@NOBODY
@pytest.mark.either_database("each asks the database as the first does", after=1)
@pytest.mark.parametrize("accent", ["red", "#12345", "#1234567", "#12345g", "#00000\n", "%3C/style%3E", "#１23456"])
def test_what_is_no_colour_reaches_no_style_sheet(admin, accent):
    page = admin.get("/admin/policies/theme", query_string={"accent": accent})

    assert page.status_code == 422
    assert "Write a colour such as" in page.text
    assert admin.get("/brand/preview.css", query_string={"accent": accent}).status_code == 404

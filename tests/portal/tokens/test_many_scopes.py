"""Sixty scopes: they fold by group, and without a script a button ticks a whole group."""

import re
from datetime import timedelta

import pytest

from latchkey import scopes
from tests import factories, pages

MANY = "".join(
    f'["things{group}:verb{n}"]\ntitle = "Do {n} with things {group}"\ndescription = "d"\ngroup = "Things {group}"\n'
    for group in range(6)
    for n in range(9)
)


@pytest.fixture
def sixty(instance, settings):
    path = instance / "scopes.toml"
    path.write_text(MANY)
    scopes.load(path)
    yield
    scopes.load(instance / "none.toml")


def test_few_scopes_are_shown_as_they_are(signed_in):
    page = signed_in.get("/tokens/new").text

    assert "scopes--many" not in page
    assert 'class="tray"' not in page


def test_many_scopes_fold_by_group_and_what_is_chosen_stands_beside_them(sixty, signed_in):
    page = signed_in.get("/tokens/new?scopes=things3:verb1%20account:read").text

    assert page.count('<fieldset class="sgroup">') == 11
    assert len(re.findall(r"<details open>\s*<summary>", page)) >= 3
    assert page.count("1 of 9") == 1
    assert 'data-untick="things3:verb1"' in page
    assert "Find a scope" in page
    assert len(page.encode()) < 150_000


@pytest.mark.parametrize("path", ["/tokens/new", "/apps/new"])
def test_a_group_is_ticked_by_a_button_without_a_script_beside_what_was_chosen(sixty, signed_in, path):
    page = signed_in.get(path)
    sent = {"csrf_token": pages.csrf(page), "do": "all:2", "scope": ["things0:verb0"]}

    answer = signed_in.post(path, data=sent).text

    ticked = set(re.findall(r'value="([^"]+)" data-access="[^"]*"[^>]* checked', answer))
    assert ticked == {"things0:verb0", *(f"things1:verb{n}" for n in range(9))}


def test_a_button_for_a_group_that_is_not_there_ticks_nothing(sixty, signed_in):
    page = signed_in.get("/tokens/new")

    answer = signed_in.post("/tokens/new", data={"csrf_token": pages.csrf(page), "do": "all:99"})

    assert answer.status_code == 422
    assert " checked" not in re.sub(r'<input type="radio"[^>]*>', "", answer.text)


def test_a_parents_scopes_are_the_most_that_a_group_button_ticks(sixty, signed_in, alice):
    parent = factories.make_token(alice, description="Parent", scopes=["things0:verb0", "account:read"])
    made = {"description": "Child", "parent": parent.token, "scopes": ["account:read"], "lifetime": timedelta(days=1)}
    child = factories.make_token(alice, **made)
    path = f"/tokens/{child.token.id}/edit"
    page = signed_in.get(path)

    answer = signed_in.post(path, data={"csrf_token": pages.csrf(page), "do": "all:1"}).text

    assert re.findall(r'value="([^"]+)" data-access="[^"]*"[^>]* checked', answer) == ["things0:verb0"]


def test_the_guide_can_be_filtered(sixty, client):
    page = client.get("/docs/scopes").text

    assert "data-filter-count" in page
    assert page.count("data-filtered") == 11

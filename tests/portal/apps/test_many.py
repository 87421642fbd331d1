"""Many apps: searched, and in pages, by one statement each."""

import re

import pytest
from sqlalchemy import event

from latchkey.store.session import engines
from tests import factories


@pytest.fixture
def forty(alice, monkeypatch):
    for number in range(40):
        factories.make_client(alice, name=f"App {number:02}")


def names(page):
    return re.findall(r'class="list__link" href="[^"]+">([^<]+)<', page)


def test_apps_are_in_pages_each_by_one_statement(forty, signed_in):
    told = []
    event.listen(engines().read, "before_cursor_execute", lambda c, cursor, text, *_: told.append(text))

    first, second = (signed_in.get(f"/apps?page={number}").text for number in (1, 2))

    assert (len(names(first)), len(names(second))) == (30, 10)
    assert "1 to 30 of 40" in first
    assert 'rel="prev" href="/apps"' in second
    assert 'rel="next"' not in second
    assert len([text for text in told if "FROM client" in text and "OVER" in text]) == 2


def test_apps_are_found_by_name_and_id_and_nobody_elses(forty, signed_in, bob):
    theirs = factories.make_client(bob, name="App 99").client

    assert names(signed_in.get("/apps?q=app+3").text) == [f"App {n}" for n in range(39, 29, -1)]
    assert "No app matches “App 99”" in signed_in.get("/apps?q=App+99").text
    assert names(signed_in.get(f"/apps?q={theirs.id}").text) == []
    assert names(signed_in.get("/apps?q=100%25").text) == []


@pytest.mark.unnoted("others run the same lines", after=1)
@pytest.mark.parametrize("query", ["page=99", "page=x", "page=0", "q=%00", "q=" + "x" * 500])
def test_an_address_of_nothing_leads_to_the_list(forty, signed_in, query):
    assert signed_in.get(f"/apps?{query}", follow_redirects=True).status_code == 200

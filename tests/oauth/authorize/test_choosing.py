"""What people choose on the consent screen is what the app gets: of optional scopes those left ticked, for so long."""

import re

import pytest

from latchkey import clients, grants, scopes
from latchkey.grants import Authorization, Grant
from latchkey.store.session import db
from tests import apis, factories
from tests.oauth import dance

SCOPES = ("account:read", "activity:read", "tokens:read")
WANTED = " ".join(SCOPES)


@pytest.fixture
def app_with_options(bob):
    """A confidential app that can do without two of three scopes."""
    return factories.make_client(bob, scopes=SCOPES, optional_scopes=SCOPES[1:])


@pytest.fixture
def public(bob):
    return factories.make_client(bob, name="Pocket", scopes=SCOPES, optional_scopes=SCOPES[1:], confidential=False)


def ticked(page) -> list[str]:
    return re.findall(r'type="checkbox" name="scope" value="([^"]+)" checked', page.text)


def agree(browser, registered, *, keep: list[str], lasts: str = "", **changes: str | None) -> dict:
    """Tokens of an app that got what was left ticked."""
    page = dance.authorize(browser, registered, scope=WANTED, **changes)
    answer = dance.decide(browser, page, scope=keep, lasts=lasts)
    return dance.redeem(browser.application.test_client(), registered, dance.back(answer).parameters["code"]).json


@pytest.mark.standard("K-06")
def test_optional_scopes_are_ticked_and_required_ones_have_no_control(signed_in, app_with_options):
    page = dance.authorize(signed_in, app_with_options, scope=WANTED)

    assert sorted(ticked(page)) == sorted(SCOPES[1:])
    assert page.text.count(">Required<") == 1
    assert 'value="account:read"' not in page.text


@pytest.mark.standard("K-06")
def test_what_is_unticked_the_app_does_not_get_and_is_told_so(signed_in, caller, app_with_options):
    issued = agree(signed_in, app_with_options, keep=["activity:read"])

    assert issued["scope"] == "account:read activity:read"
    wider = dance.refresh(caller, app_with_options, issued["refresh_token"], scope=WANTED)
    assert wider.json["error"] == "invalid_scope"
    refreshed = dance.refresh(caller, app_with_options, issued["refresh_token"])
    assert refreshed.json["scope"] == "account:read activity:read"


@pytest.mark.parametrize("keep", [["tokens:write"], ["account:write", "x"], ["apps:write", ""]])
def test_a_form_can_only_take_away(signed_in, app_with_options, keep):
    issued = agree(signed_in, app_with_options, keep=keep)

    assert issued["scope"] == "account:read"


def test_a_required_scope_cannot_be_unticked(signed_in, example_client):
    page = dance.authorize(signed_in, example_client)

    assert ticked(page) == []
    answer = dance.decide(signed_in, page, scope="")
    assert "code" in dance.back(answer).parameters


def test_nothing_left_is_asked_again_and_grants_nothing(signed_in, bob):
    registered = factories.make_client(bob, scopes=["account:read"], optional_scopes=["account:read"])
    page = dance.authorize(signed_in, registered)

    answer = dance.decide(signed_in, page)

    assert answer.status_code == 200
    assert "Leave at least one permission" in answer.text
    assert db.query(Grant).count() == 0


def test_what_was_kept_from_an_app_is_not_asked_about_at_every_sign_in(signed_in, app_with_options):
    agree(signed_in, app_with_options, keep=["activity:read"])

    again = dance.authorize(signed_in, app_with_options, scope=WANTED)

    code = dance.back(again).parameters["code"]
    issued = dance.redeem(signed_in.application.test_client(), app_with_options, code).json
    assert issued["scope"] == "account:read activity:read"


def test_what_the_app_cannot_do_without_any_more_is_asked_about(signed_in, app_with_options, bob):
    agree(signed_in, app_with_options, keep=["activity:read"])
    client = clients.lock(app_with_options.client.id)
    client.optional_scope = ""
    db.commit()

    assert dance.authorize(signed_in, app_with_options, scope=WANTED).status_code == 200


def test_options_that_changed_while_the_page_was_open_are_shown_again(signed_in, app_with_options):
    page = dance.authorize(signed_in, app_with_options, scope=WANTED)
    client = clients.lock(app_with_options.client.id)
    client.optional_scope = "tokens:read"
    db.commit()

    answer = dance.decide(signed_in, page, scope=["tokens:read"])

    assert answer.status_code == 200
    assert "changed while the page was open" in answer.text
    assert db.query(Grant).count() == 0


@pytest.mark.standard("K-02")
def test_a_confidential_app_is_asked_about_what_is_new_alone(signed_in, app_with_options):
    dance.tokens(signed_in, app_with_options, scope="account:read")

    page = dance.authorize(signed_in, app_with_options, scope="account:read activity:read")

    assert "It may already" in page.text
    assert ticked(page) == ["activity:read"]
    answer = dance.decide(signed_in, page, scope="activity:read")
    code = dance.back(answer).parameters["code"]
    issued = dance.redeem(signed_in.application.test_client(), app_with_options, code).json
    assert issued["scope"] == "account:read activity:read"


@pytest.mark.standard("K-02")
def test_a_public_app_is_asked_about_all_of_it_with_the_new_marked(signed_in, public):
    dance.tokens(signed_in, public, scope="account:read")

    page = dance.authorize(signed_in, public, scope="account:read activity:read")

    assert "It may already" not in page.text
    assert page.text.count(">New<") == 1 and page.text.count(">Already allowed<") == 1


def test_what_was_taken_back_while_the_page_was_open_is_not_given_with_what_is_new(signed_in, app_with_options, alice):
    dance.tokens(signed_in, app_with_options, scope="account:read")
    page = dance.authorize(signed_in, app_with_options, scope="account:read activity:read")
    grants.withdraw(grants.find_authorization(alice, app_with_options.client))
    db.commit()

    answer = dance.decide(signed_in, page, scope="activity:read")

    assert answer.status_code == 200
    assert "You took something back" in answer.text
    assert grants.list_for(alice) == []


class TestAccessLasts:
    @pytest.mark.parametrize("lasts, seconds", [("1h", 3600), ("1d", 86400), ("30d", 30 * 86400)])
    def test_as_long_as_was_chosen_and_refreshing_never_prolongs_it(
        self, clock, signed_in, app_with_options, lasts, seconds
    ):
        caller = signed_in.application.test_client()
        issued = agree(signed_in, app_with_options, keep=[], lasts=lasts)
        [grant] = db.query(Grant)
        assert (grant.expires_at - clock.now()).total_seconds() == seconds

        clock.move(seconds=seconds - 60)
        refreshed = dance.refresh(caller, app_with_options, issued["refresh_token"])
        assert refreshed.status_code == 200, refreshed.text
        assert refreshed.json["expires_in"] == 60
        clock.move(seconds=61)
        assert not dance.works(caller, refreshed.json["access_token"])
        ended = dance.refresh(caller, app_with_options, refreshed.json["refresh_token"])
        assert ended.json["error"] == "invalid_grant"

    def test_until_it_is_taken_back_is_preset(self, clock, signed_in, app_with_options):
        page = dance.authorize(signed_in, app_with_options, scope=WANTED)

        assert 'name="lasts" value="" checked' in page.text
        agree(signed_in, app_with_options, keep=[], lasts="")
        [grant] = db.query(Grant)
        assert grant.expires_at == clock.now() + grants.ABSOLUTE

    @pytest.mark.parametrize("lasts", ["forever", "2h", "9999d", "\x00", "1h1h"])
    def test_a_time_that_was_not_on_the_page_is_the_shortest(self, clock, signed_in, app_with_options, lasts):
        agree(signed_in, app_with_options, keep=[], lasts=lasts)

        [grant] = db.query(Grant)
        assert (grant.expires_at - clock.now()).total_seconds() == 3600

    def test_going_on_without_a_question_ends_when_the_answer_did(self, clock, signed_in, app_with_options):
        agree(signed_in, app_with_options, keep=[], lasts="1d")
        clock.move(hours=6)
        code = dance.back(dance.authorize(signed_in, app_with_options, scope="account:read")).parameters["code"]
        dance.redeem(signed_in.application.test_client(), app_with_options, code)

        first, second = db.query(Grant).order_by(Grant.id)
        assert first.expires_at == second.expires_at

    def test_what_is_over_is_asked_again_and_stands_in_no_list(self, clock, signed_in, app_with_options, alice):
        agree(signed_in, app_with_options, keep=[], lasts="1h")
        clock.move(hours=1, seconds=1)

        assert grants.list_for(alice) == []
        assert grants.count_for(app_with_options.client) == 0
        assert dance.authorize(signed_in, app_with_options, scope="account:read").status_code == 200

    def test_what_is_new_does_not_prolong_what_was_to_be_over(self, clock, signed_in, app_with_options, alice):
        agree(signed_in, app_with_options, keep=["activity:read"], lasts="1h")
        page = dance.authorize(signed_in, app_with_options, scope="tokens:read")
        dance.decide(signed_in, page, scope="tokens:read", lasts="30d")

        standing = grants.find_authorization(alice, app_with_options.client)
        assert standing.scopes == frozenset(SCOPES)
        assert (standing.expires_at - clock.now()).total_seconds() == 3600

    def test_what_has_an_end_is_shown_again_with_what_is_new(self, signed_in, app_with_options):
        dance.decide(signed_in, dance.authorize(signed_in, app_with_options), lasts="1h")

        page = dance.authorize(signed_in, app_with_options, scope="account:read activity:read")

        assert "It may already" not in page.text
        assert ">Already allowed<" in page.text

    @pytest.mark.standard("K-05", "K-06")
    @pytest.mark.parametrize("kind", ["app_with_options", "public"])
    def test_no_earlier_sign_in_acts_on_when_the_app_stands_in_no_list_any_more(
        self, clock, signed_in, alice, request, kind
    ):
        registered, caller = request.getfixturevalue(kind), signed_in.application.test_client()
        earlier = agree(signed_in, registered, keep=list(SCOPES[1:]))
        agree(signed_in, registered, keep=[], lasts="1h", prompt="consent")
        assert dance.works(caller, earlier["access_token"])
        clock.move(hours=1, seconds=1)

        assert grants.list_for(alice) == []
        assert not dance.works(caller, earlier["access_token"])
        assert dance.refresh(caller, registered, earlier["refresh_token"]).json["error"] == "invalid_grant"

    def test_all_of_it_chosen_anew_lasts_anew(self, clock, signed_in, public, alice):
        agree(signed_in, public, keep=list(SCOPES[1:]), lasts="1h")
        agree(signed_in, public, keep=list(SCOPES[1:]), lasts="")

        assert grants.find_authorization(alice, public.client).expires_at is None


def test_the_same_answer_sent_twice_leads_to_the_same_place(signed_in, app_with_options):
    page = dance.authorize(signed_in, app_with_options, scope=WANTED)

    first = dance.decide(signed_in, page, scope="activity:read", lasts="1h")
    second = dance.decide(signed_in, page, scope="tokens:read", lasts="30d")

    assert dance.back(first) == dance.back(second)
    [grant] = db.query(Grant)
    assert grant.scopes == {"account:read", "activity:read"}
    assert db.query(Authorization).one().scopes == grant.scopes


MANY = "".join(
    f'["goods{number}:{verb}"]\ntitle = "x"\ndescription = "x"\ngroup = "Goods"\n'
    for number in range(5)
    for verb in ("read", "write")
)


def test_many_permissions_are_counted_and_the_sensitive_come_first(catalogues, signed_in, bob):
    catalogues(apis.SCOPES + MANY, apis.RESOURCES)
    everything = sorted(scopes.catalogue().keys() - scopes.CREDENTIAL)
    registered = factories.make_client(bob, scopes=everything, optional_scopes=["projects:read"])

    page = dance.authorize(signed_in, registered, scope=" ".join(everything))

    assert f"It asks for {len(everything)} permissions." in page.text
    assert page.text.index("Sensitive: hard to undo") < page.text.index("Make changes") < page.text.index("Look, but")
    assert "on the Projects API" in page.text
    answer = dance.decide(signed_in, page)
    issued = dance.redeem(signed_in.application.test_client(), registered, dance.back(answer).parameters["code"]).json
    assert set(issued["scope"].split()) == set(everything) - {"projects:read"}

"""The guides as people read them: wide and narrow, light and dark, on paper, with script and without."""

import re

import pytest
from playwright.sync_api import Page, expect

from latchkey import tokens
from tests.browser.conftest import assert_accessible, assert_fits, assert_for_everybody, sign_in
from tests.factories import make_client, make_token

GUIDES = (
    "/docs/authentication",
    "/docs/oauth",
    "/docs/scopes",
    "/docs/agents",
    "/docs/agents/vs-code",
    "/docs/api",
    "/docs/your-api",
    "/docs/your-api/inside",
    "/docs/your-api/gateway",
    "/docs/your-api/service",
    "/docs/gateways",
    "/docs/search?q=token",
)
MISSING = "The token lacks account:read"


def failing_call(page: Page, token: str) -> str:
    return f'curl -H "Authorization: Bearer {token}" {page.url.partition("/docs")[0]}/v1/me'


@pytest.mark.parametrize("path", GUIDES)
def test_every_guide_reads_well(page, path):
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()

    assert_for_everybody(page)


@pytest.mark.standard("N-08")
@pytest.mark.parametrize("width", [320, 360])
def test_nothing_sticks_out_on_a_small_phone(open_context, alice, width):
    page = sign_in(open_context(viewport={"width": width, "height": 640}).new_page(), alice)

    for path in (*GUIDES, "/docs/explain"):
        page.goto(path)
        assert_fits(page)
        if width == 320:
            assert_accessible(page)


@pytest.fixture
def long_brand(settings):
    """The server that is started next has a name that does not fit beside its buttons."""
    (settings.instance / "config.toml").write_text('brand_name = "Wolpertinger Handelsgesellschaft mbH"', "utf-8")


@pytest.mark.standard("N-08")
@pytest.mark.own_server
def test_a_long_brand_fits(long_brand, open_context):
    page = open_context(viewport={"width": 320, "height": 640}).new_page()

    for path in ("/", "/login", "/signup", "/docs/oauth", "/nothing"):
        page.goto(path)
        expect(page.get_by_text("Wolpertinger Handelsgesellschaft mbH").first).to_be_visible()
        assert_fits(page)


def test_the_flow_is_drawn_where_there_is_room_and_told_in_steps_on_a_phone(page):
    page.goto("/docs/oauth")
    drawing = page.get_by_role("region", name="Drawing of the code flow")
    steps = page.get_by_role("list", name="The flow, step by step")
    expect(drawing).to_be_visible()
    expect(steps).to_be_hidden()

    page.set_viewport_size({"width": 390, "height": 844})

    expect(drawing).to_be_hidden()
    expect(steps.get_by_role("listitem")).to_have_count(7)


def test_a_phone_shows_the_scopes_without_scrolling_sideways(narrow_page):
    narrow_page.goto("/docs/scopes")

    inner = narrow_page.evaluate(
        "[...document.querySelectorAll('.catalogue, .catalogue li, .catalogue p')]"
        ".filter((each) => each.scrollWidth > each.clientWidth + 1).map((each) => each.textContent)"
    )

    assert inner == []


def test_on_this_page_follows_the_reader(page):
    page.goto("/docs/oauth")
    contents = page.get_by_role("navigation", name="On this page")
    here = contents.locator("[aria-current]")
    expect(here).to_have_text("What OAuth is")

    page.locator("#refresh").evaluate("heading => heading.scrollIntoView()")
    expect(here).to_have_text("6 Refresh")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(here).to_have_text("Further reading")
    page.evaluate("scrollTo(0, 0)")
    expect(here).to_have_text("What OAuth is")


def test_the_guide_that_one_reads_is_in_sight_among_the_others(page):
    page.set_viewport_size({"width": 1280, "height": 520})
    page.goto("/docs/gateways")
    menu = page.get_by_role("navigation", name="Documentation", exact=True)
    expect(menu.get_by_role("link", name="All gateways")).to_be_in_viewport()

    page.goto("/docs/authentication")
    expect(menu.get_by_role("link", name="Token or OAuth?")).to_be_in_viewport()
    expect(menu.get_by_role("searchbox")).to_be_in_viewport()


def test_a_phone_leads_from_the_guides_to_ones_tokens_and_back(narrow_page, alice):
    page = sign_in(narrow_page, alice)
    page.goto("/docs/scopes")

    page.get_by_role("banner").get_by_role("link", name="Tokens").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Tokens")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Documentation").click()
    page.get_by_role("button", name="Menu").click()
    assert_accessible(page)
    page.get_by_role("navigation", name="Documentation").get_by_role("link", name="Tokens").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Tokens")


def test_a_search_begins_in_the_menu_of_every_guide(page):
    page.goto("/docs/oauth")
    page.get_by_role("navigation", name="Documentation").get_by_role("searchbox").fill("refresh copied")
    page.keyboard.press("Enter")

    expect(page.get_by_role("link", name="6 Refresh")).to_be_visible()


def test_the_reference_is_accessible_with_its_answers_open(alices_page, alice):
    make_client(alice)
    alices_page.goto("/docs/api")
    alices_page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")

    assert_accessible(alices_page)
    assert_fits(alices_page)


def test_explain_is_accessible_with_its_findings(alices_page, alice):
    token = make_token(alice, scopes=["activity:read"])
    alices_page.goto("/docs/explain")
    alices_page.get_by_label("Request or answer").fill(failing_call(alices_page, token.plaintext))
    alices_page.get_by_role("button", name="Explain").click()
    expect(alices_page.get_by_text(MISSING)).to_be_visible()

    for width in (1280, 390):
        alices_page.set_viewport_size({"width": width, "height": 844})
        assert_accessible(alices_page)
        assert_fits(alices_page)


def test_a_phone_reaches_every_guide_through_the_menu(narrow_page):
    narrow_page.goto("/docs/authentication")
    narrow_page.get_by_role("button", name="Menu").click()
    menu = narrow_page.get_by_role("navigation", name="Documentation")

    assert_accessible(narrow_page)
    menu.get_by_role("link", name="Behind nginx").click()
    expect(narrow_page.get_by_role("heading", level=1)).to_have_text("Behind nginx")


def test_copy_copies_the_code_as_it_is_shown(open_context):
    context = open_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto("/docs/oauth")

    block = page.locator(".code").filter(has=page.locator("#ex-exchange"))
    block.get_by_role("button", name="Copy").click()

    expect(block.get_by_role("button")).to_contain_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.locator("#ex-exchange").text_content().strip()
    assert copied.startswith("curl http")


def test_try_it_calls_with_a_pasted_token_and_keeps_it_nowhere(alices_page, alice):
    page, token = alices_page, make_token(alice).plaintext
    page.goto("/docs/api")
    show_me = page.locator("#show_me")
    show_me.get_by_role("button", name="Try it").click()
    expect(show_me).to_contain_text("401")

    page.get_by_label("Token for “Try it”").fill(token)
    show_me.get_by_role("button", name="Try it").click()

    expect(show_me).to_contain_text("200")
    expect(show_me.get_by_role("region", name="Answer of GET /v1/me")).to_contain_text(alice.email)
    kept = page.evaluate(
        "[JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie, location.href]"
    )
    assert token not in "".join(kept)
    assert kept[:2] == ["{}", "{}"]
    page.reload()
    assert page.get_by_label("Token for “Try it”").input_value() == ""
    expect(page.get_by_role("region", name="Answer of GET /v1/me")).to_have_count(0)
    page.goto("/docs/scopes")
    page.go_back()
    assert page.get_by_label("Token for “Try it”").input_value() == ""
    assert token not in page.content()


def test_try_it_is_not_offered_without_script(page_without_javascript):
    page_without_javascript.goto("/docs/api")

    expect(page_without_javascript.get_by_role("heading", name="API reference")).to_be_visible()
    expect(page_without_javascript.get_by_role("button", name="Try it")).to_have_count(0)
    expect(page_without_javascript.get_by_label("Token for “Try it”")).to_be_hidden()


def test_search_leads_to_the_section(either_page):
    either_page.goto("/docs/search")
    either_page.get_by_label("Search the guides").fill("rotated refresh")
    either_page.get_by_label("Search the guides").press("Enter")
    either_page.get_by_label("Search the guides").fill("refresh copied")
    either_page.get_by_role("button", name="Search").click()

    either_page.get_by_role("link", name="6 Refresh").click()

    expect(either_page).to_have_url(re.compile("/docs/oauth#refresh$"))
    expect(either_page.get_by_role("heading", name="6 Refresh")).to_be_in_viewport()


def test_a_failing_call_is_explained_and_its_token_masked(either_page, alice, db):
    page, token = sign_in(either_page, alice), make_token(alice, scopes=["activity:read"])
    page.goto("/docs/explain")
    page.get_by_label("Request or answer").fill(failing_call(page, token.plaintext))
    page.get_by_role("button", name="Explain").click()

    expect(page.get_by_text(MISSING)).to_be_visible()
    assert page.get_by_label("Request or answer").input_value().count("lk_dev_…") == 1
    assert token.plaintext not in page.content()
    expect(page).to_have_url(re.compile("/docs/explain$"))

    tokens.revoke(token.token)
    db.commit()
    page.get_by_label("Request or answer").fill(failing_call(page, token.plaintext))
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_text("The token was revoked.")).to_be_visible()


def test_on_paper_a_guide_is_its_text_alone(page):
    for path in ("/docs/oauth", "/docs/api", "/docs/your-api/service"):
        page.goto(path)
        page.set_viewport_size({"width": 720, "height": 1000})
        page.emulate_media(media="print", color_scheme="dark")

        for name in ("Documentation", "Main", "On this page"):
            expect(page.get_by_role("navigation", name=name)).to_have_count(0)
        expect(page.get_by_role("button")).to_have_count(0)
        expect(page.get_by_role("textbox")).to_have_count(0)
        cut = page.evaluate(
            "[...document.querySelectorAll('pre, .scroll')].filter((each) => each.scrollWidth > each.clientWidth + 1)"
            ".map((each) => each.ariaLabel)"
        )
        assert cut == []
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper in ("rgb(255, 255, 255)", "rgba(0, 0, 0, 0)")
        page.emulate_media(media="screen")

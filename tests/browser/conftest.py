"""Chromium on a running portal. A page that complains, in its console or by a blocked file, fails its test."""

from collections.abc import Callable, Iterator, Sequence

import pytest
from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Playwright,
    Response,
    expect,
    sync_playwright,
)

from latchkey.accounts.users import User
from tests import programs, servers
from tests.factories import PASSWORD
from tests.pages import csrf

# Every rule of the standards, and what axe itself holds to be good practice.
RULES = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
# Those of them that look at a colour.
COLOURS = ("color-contrast", "link-in-text-block")
# Milliseconds; a machine that runs other tests beside this one is slow, and only what fails waits so long.
PATIENCE = 30_000
expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    with programs.open_chromium(playwright) as opened:
        yield opened


class Complaints(list[str]):
    """What a page's console, scripts and requests complained of."""

    def watch(self, page: Page) -> None:
        page.on("console", self.on_console)
        page.on("pageerror", lambda error: self.append(f"script: {error}"))
        page.on("response", self.on_response)

    def on_console(self, message: ConsoleMessage) -> None:
        # Chromium logs every answer of 400 and up; whether one was due is looked at in `on_response`.
        if message.type in ("error", "warning") and not message.text.startswith("Failed to load resource"):
            self.append(f"console: {message.text} ({message.location})")

    def on_response(self, response: Response) -> None:
        due = response.request.resource_type in ("document", "fetch", "xhr") and response.status < 500
        if response.status >= 400 and not due:
            self.append(f"{response.status} for {response.url}")


@pytest.fixture
def open_context(browser: Browser, live_server: servers.Server) -> Iterator[Callable[..., BrowserContext]]:
    """Opens another browser profile: `open_context(java_script_enabled=False, color_scheme="dark")`."""
    contexts: list[BrowserContext] = []
    complaints = Complaints()

    def open_one(**options: object) -> BrowserContext:
        given = {"base_url": live_server.url, "locale": "en-GB", "reduced_motion": "reduce"} | options
        context = browser.new_context(**given)
        context.set_default_timeout(PATIENCE)
        context.on("page", complaints.watch)
        contexts.append(context)
        return context

    yield open_one
    for context in contexts:
        context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def page(open_context: Callable[..., BrowserContext]) -> Page:
    return open_context(viewport={"width": 1280, "height": 800}).new_page()


@pytest.fixture
def page_without_javascript(open_context: Callable[..., BrowserContext]) -> Page:
    return open_context(java_script_enabled=False).new_page()


@pytest.fixture
def narrow_page(open_context: Callable[..., BrowserContext]) -> Page:
    """A phone's width."""
    return open_context(viewport={"width": 390, "height": 844}).new_page()


@pytest.fixture(params=["with script", "without script"])
def either_page(request: pytest.FixtureRequest, open_context: Callable[..., BrowserContext]) -> Page:
    """The test runs twice, with JavaScript and without."""
    return open_context(java_script_enabled=request.param == "with script").new_page()


def sign_in(page: Page, user: User, password: str = PASSWORD) -> Page:
    """The same page, where it was, signed in by the form's request alone: filling the form is tested by itself."""
    fields = {"email": user.email, "password": password, "csrf_token": csrf(page.request.get("/login").text())}
    answer = page.request.post("/login", form=fields, max_redirects=0)
    assert (answer.status, answer.headers["location"]) == (303, "/"), answer.text()
    return page


@pytest.fixture
def alices_page(page: Page, alice: User) -> Page:
    """A wide window in which Alice is signed in."""
    return sign_in(page, alice)


def where(page: Page) -> str:
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    return f"{page.url}, {'dark' if dark else 'light'}, {page.viewport_size}"


def assert_accessible(page: Page, rules: Sequence[str] = RULES) -> None:
    """Axe finds nothing on the page as it stands; needs a page with JavaScript."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    # What it finds good is more than all else, and is neither listed node by node nor sent here.
    options = {"runOnly": rules, "resultTypes": ["violations"]}
    found = page.evaluate("options => axe.run(options).then(all => ({ violations: all.violations }))", options)
    assert found["violations"] == [], f"{where(page)}\n{AxeResults(found).generate_report()}"


def assert_fits(page: Page) -> None:
    """Nothing sticks out sideways."""
    wide, window = page.evaluate("[document.scrollingElement.scrollWidth, window.innerWidth]")
    assert wide <= window, f"{page.url} is {wide} px wide in a window of {window}"


def assert_for_everybody(page: Page, widths: Sequence[int] = (1280, 390)) -> None:
    """The page as it stands is accessible and fits: on a desktop and a phone, by day and by night.

    By night it is the same page but for its colours (tests/web/test_assets.py), so axe looks at them alone.
    """
    for width in widths:
        page.set_viewport_size({"width": width, "height": 844})
        for scheme, rules in (("light", RULES), ("dark", COLOURS)):
            page.emulate_media(color_scheme=scheme)
            assert_fits(page)
            assert_accessible(page, rules)

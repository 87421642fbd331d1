"""Makes the pictures of README and the guides from the running product, with a small company's worth of tokens."""

import tempfile
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from latchkey import clock, settings
from latchkey.accounts.users import User
from latchkey.store import session as db
from latchkey.tokens import Token
from tests import factories, programs, servers
from tests.browser.conftest import sign_in

README = settings.ROOT / "docs" / "images"
GUIDES = settings.ROOT / "static" / "guides"
COLOURS = 64
HIDE = """([from, to]) => {
  document.activeElement.blur();
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const hide = (text) => text.replaceAll(from, to).replace(/(lk_dev_)[0-9A-Za-z]{36}/g, "$1" + "•".repeat(36));
  while (texts.nextNode()) texts.currentNode.data = hide(texts.currentNode.data);
  for (const field of document.querySelectorAll("textarea")) field.value = hide(field.value);
}"""
# Description, scopes, days to live, days since it was made, hours since it was used.
TOKENS = (
    ("Nightly export", ("account:read", "activity:read"), 365, 212, 9),
    ("Laptop", ("account:read", "tokens:read"), 90, 83, 700),
    ("Onboarding script", ("apps:read", "apps:write", "tokens:read", "tokens:write"), None, 61, 26),
    ("CI on main", ("account:read",), 90, 12, 0.1),
    ("Status board", ("authorizations:read", "activity:read"), 30, 3, 0.5),
)


def furnish(folder: Path, url: str) -> None:
    """Ada and her tokens."""
    settings.use(settings.load({}, instance=folder, base_url=url))
    db.configure(settings.current().database_url)
    ada = factories.make_user("ada@example.com", name="Ada Lovelace")
    for description, scopes, days, made, used in TOKENS:
        token = factories.make_token(ada, description=description, scopes=scopes, lifetime=None).token
        record = db.db.get_one(Token, token.id)
        record.created_at = clock.now() - timedelta(days=made)
        record.last_used_at = clock.now() - timedelta(hours=used)
        record.last_used_address = "192.0.2.17"
        record.expires_at = record.created_at + timedelta(days=days) if days else None
    db.db.commit()
    db.dispose()


def save(page: Page, picture: Path) -> None:
    """Keep what the window shows."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=picture)
    print(picture.relative_to(settings.ROOT))


def save_small(page: Page, picture: Path) -> None:
    """Keep what the window shows with as few colours as an interface needs."""
    drawn = Image.open(BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    drawn.convert("RGB").save(picture, "WEBP", lossless=True, method=6)
    print(picture.relative_to(settings.ROOT), picture.stat().st_size)


def photograph(url: str) -> None:
    """The Tokens screen as Ada sees it, and how she makes a token, in light and dark."""
    with sync_playwright() as playwright, programs.open_chromium(playwright) as browser:
        make(browser, url, "light")
        make(browser, url, "dark")


def make(browser: Browser, url: str, scheme: Literal["light", "dark"]) -> None:
    """One token, on the way to which the pictures are taken."""
    page = browser.new_page(base_url=url, viewport={"width": 1280, "height": 800}, locale="en-GB", color_scheme=scheme)
    suffix = "-dark" if scheme == "dark" else ""
    sign_in(page, User(email="ada@example.com"))
    page.goto("/tokens")
    page.get_by_role("heading", level=1, name="Tokens").wait_for()
    if not suffix:
        save(page, README / "tokens.png")
    page.goto("/tokens/new")
    page.get_by_label("Description").fill(f"Nightly backup{' in the dark' if suffix else ''}")
    page.get_by_role("checkbox", name="account:read").check()
    page.get_by_role("checkbox", name="activity:read").check()
    page.evaluate("scrollTo(0, 0)")
    save_small(page, GUIDES / f"new-token{suffix}.webp")
    page.get_by_role("button", name="Create", exact=True).click()
    page.get_by_label("Token", exact=True).wait_for()
    # The address and the token are this scratch portal's own; a picture that stays shows neither.
    page.evaluate(HIDE, [url, "https://portal.example.com"])
    save_small(page, GUIDES / f"token-ready{suffix}.webp")


def main() -> None:
    """Start, furnish, photograph."""
    with tempfile.TemporaryDirectory() as folder, servers.latchkey(Path(folder)) as server:
        furnish(Path(folder), server.url)
        photograph(server.url)


if __name__ == "__main__":
    main()

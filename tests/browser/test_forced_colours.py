"""Pages in colours that the system picks, as for people who need more contrast: what is chosen is seen all the same."""

import pytest

from tests.browser.conftest import sign_in
from tests.factories import make_client, make_token

# The first colour that is not seen through.
GROUND = """(each) => {
  for (let here = each; here; here = here.parentElement) {
    const ground = getComputedStyle(here).backgroundColor;
    if (!ground.endsWith(", 0)")) return ground;
  }
}"""


def grounds(page, selector: str) -> set[str]:
    return {each.evaluate(GROUND) for each in page.locator(selector).all()}


@pytest.mark.parametrize(
    "path, chosen, others",
    [
        ("/tokens/new", ".pills .pill:has(:checked)", ".pills .pill:not(:has(:checked))"),
        ("/tokens?never_used=1", ".pill[aria-current]", ".pill:not([aria-current])"),
        ("/tokens", ".nav a[aria-current]", ".nav a:not([aria-current])"),
        ("/apps/{app}", ".code__tabs a[aria-current]", ".code__tabs a:not([aria-current])"),
        ("/docs/oauth", ".toplink[aria-current]", ".toplink:not([aria-current])"),
    ],
)
def test_what_is_chosen_looks_unlike_what_is_not(open_context, alice, path, chosen, others):
    app, _ = make_client(alice)
    make_token(alice)
    page = sign_in(open_context(forced_colors="active").new_page(), alice)

    page.goto(path.format(app=app.id))

    assert len(grounds(page, chosen)) == 1
    assert grounds(page, others)
    assert not grounds(page, chosen) & grounds(page, others)

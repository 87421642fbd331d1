import gzip
import re
from io import BytesIO
from pathlib import Path

import pytest
from flask import render_template_string
from PIL import Image

from latchkey import scopes
from latchkey import settings as settings_module
from web import assets, palette

pytestmark = pytest.mark.either_database("asks the database nothing")

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATES = ROOT / "templates"


def address(app, name):
    with app.test_request_context():
        return render_template_string("{{ asset(name) }}", name=name)


def refuse(app, settings, **changes):
    settings_module.use(settings_module.load({}, **({"instance": settings.instance} | changes)))
    with pytest.raises(settings_module.SettingError, match="LATCHKEY_BRAND_LOGO"):
        assets._register_brand(app, settings_module.current())


def test_a_fingerprinted_file_is_kept_for_a_year(app, client):
    answer = client.get(address(app, "latchkey.css"))

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert "Set-Cookie" not in answer.headers


def test_a_file_asked_for_by_an_old_fingerprint_is_answered_but_not_kept(client):
    answer = client.get("/assets/0123456789ab/latchkey.css")

    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-cache"
    assert client.get("/assets/x/latchkey.css", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_text_is_sent_compressed_to_who_takes_it(app, client):
    path = address(app, "app.js")

    zipped = client.get(path, headers={"Accept-Encoding": "br, gzip"})
    plain = client.get(path, headers={"Accept-Encoding": "gzip;q=0"})

    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.data) == plain.data
    assert "Accept-Encoding" in zipped.headers["Vary"]
    assert zipped.headers["ETag"] != plain.headers["ETag"]


@pytest.mark.parametrize("name", ["nothing.css", "../app.py", "%2e%2e/app.py", "fonts", "fonts/"])
def test_only_files_of_the_folder_are_served(client, name):
    assert client.get(f"/assets/x/{name}").status_code == 404


def test_fonts_of_the_style_sheet_have_its_fingerprint(app, client):
    sheet = address(app, "latchkey.css")

    for font in re.findall(r'url\("([^"]+)"\)', client.get(sheet).text):
        answer = client.get(sheet.rpartition("/")[0] + "/" + font)
        assert answer.status_code == 200
        assert answer.content_type == "font/woff2"
        assert "immutable" in answer.headers["Cache-Control"]


def test_the_style_sheet_is_sent_as_one_file_with_each_of_its_parts_once(app, client):
    sent = client.get(address(app, "latchkey.css")).text
    parts = {path.relative_to(ROOT / "static").as_posix(): path for path in (ROOT / "static" / "css").rglob("*.css")}
    index = (ROOT / "static" / "latchkey.css").read_text()

    assert sorted(re.findall(r'^@import "([^"]+)"', index, re.MULTILINE)) == sorted(parts)
    assert "@import" not in sent
    assert sent.count("@media print {") == 1
    for name, part in parts.items():
        assert sent.count(part.read_text()) == 1, name
        assert client.get(f"/assets/x/{name}").status_code == 404


# Classes that htmx sets.
GIVEN = {"htmx-request"}
CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


def rules(sheet):
    return re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL)


def classes_in_use():
    """Classes that templates, scripts and views name; a name that ends with `--` takes any of the words beside it."""
    pages = [path.read_text() for path in TEMPLATES.rglob("*.html")]
    programs = [*(ROOT / "static").glob("*.js"), *(ROOT / "web").rglob("*.py"), *(ROOT / "portal").rglob("*.py")]
    named, words = set(GIVEN), set()
    for page in pages:
        for given in re.findall(r'\bclass="((?:\{\{.*?\}\}|\{%.*?%\}|[^"])*)"', page, re.DOTALL):
            said = CODE.sub(lambda code: " ".join([" ", *re.findall(r'"([^"]*)"', code[0]), " "]), given)
            named.update(said.replace("--  ", "-- ").split())
        words.update(" ".join(re.findall(r"%\}([\w -]+)\{%", page)).split())
    for text in [*pages, *(path.read_text() for path in programs)]:
        words.update(" ".join(re.findall(r'"([a-z][a-z0-9_ -]*)"', text)).split())
    stems = {name for name in named if name.endswith("--")}
    return named | words | {stem + word for stem in stems for word in words}


def test_no_rule_of_the_style_sheet_is_for_a_class_that_nothing_has(app, client):
    sheet = rules(client.get(address(app, "latchkey.css")).text)
    styled = {name for before in re.findall(r"([^{};]+)\{", sheet) for name in re.findall(r"\.([a-z][\w-]*)", before)}

    assert len(styled) > 200
    assert styled - classes_in_use() == set()


def test_a_page_that_names_a_missing_file_is_noticed(app):
    with pytest.raises(LookupError):
        address(app, "missing.css")


def test_first_visit_stays_within_its_budget(app, client):
    def size(name):
        return len(client.get(address(app, name), headers={"Accept-Encoding": "gzip"}).data)

    assert size("latchkey.css") < 16_000
    assert size("app.js") + size("vendor/htmx-4.0.1.min.js") < 20_000
    assert size("fonts/geist-latin-wght-normal.woff2") + size("fonts/geist-mono-latin-wght-normal.woff2") < 60_000


@pytest.mark.standard("A-11")
def test_vendored_files_stand_beside_their_licences():
    for licence in ("static/vendor/htmx-LICENSE.txt", "static/fonts/OFL-Geist.txt", "static/fonts/OFL-Geist-Mono.txt"):
        assert (ROOT / licence).read_text().strip()
    assert "ISC License" in (TEMPLATES / "macros" / "icons-LICENSE.txt").read_text()


def drawn(app, client) -> set[str]:
    return set(re.findall(r'<symbol id="([^"]+)"', client.get(address(app, "icons.svg")).text))


def test_every_icon_is_named_somewhere(app, client):
    sources = [path for folder in (TEMPLATES, *(ROOT / name for name in ("latchkey", "portal", "oauth", "web")))
               for path in folder.rglob("*.*") if path.suffix in {".html", ".py"}]  # fmt: skip
    named = {name for path in sources for name in re.findall(r"""["']([a-z0-9-]+)["']""", path.read_text())}

    assert drawn(app, client) <= named


def test_every_icon_that_a_template_or_a_group_of_scopes_names_exists(app, client):
    known = drawn(app, client)
    assert {group.symbol for group in (*scopes.GROUPS.values(), scopes.Group("Projects"))} <= known
    for path in TEMPLATES.rglob("*.html"):
        for name in re.findall(r"""\bicon\(\s*["']([a-z0-9-]+)["']""", path.read_text()):
            assert name in known, f"{path.name}: {name}"


def test_an_icon_is_one_of_a_file_that_a_browser_keeps(app, client):
    icon = app.jinja_env.globals["icon"]

    assert icon("plus") == f'<svg class="icon" aria-hidden="true"><use href="{address(app, "icons.svg")}#plus"/></svg>'
    assert 'class="icon icon--lg"' in icon("plus", "icon--lg")
    with pytest.raises(LookupError, match="no icon nothing"):
        icon("nothing")
    answer = client.get(address(app, "icons.svg"))
    assert answer.content_type == "image/svg+xml; charset=utf-8"
    assert answer.headers["Cache-Control"] == assets.FOREVER


@pytest.mark.parametrize(
    "pattern", [r"\sstyle=", r"<style", r"<script(?![^>]*\ssrc=)", r"\son[a-z]+=", r"hx-on", r"\bjs:", r"data:[a-z]+/"]
)
def test_no_page_needs_more_than_the_policy_allows(pattern):
    for path in TEMPLATES.rglob("*.html"):
        if "mail" not in path.relative_to(TEMPLATES).as_posix():
            assert not re.search(pattern, path.read_text()), path
    for path in [*(ROOT / "static").glob("*.*"), *(ROOT / "static" / "css").rglob("*.css")]:
        assert "data:" not in path.read_text().replace("no data: URLs", ""), path


def test_the_brand_without_settings_is_our_own(client):
    sheet = client.get("/brand.css")

    assert "--accent: light-dark(#0b6b5c, #4fc7af);" in sheet.text
    assert client.get("/brand/logo").status_code == 404


@pytest.mark.settings(brand_name="Acme", brand_accent="#2457d6")
def test_the_operators_brand_is_on_every_page(client):
    page = client.get("/nowhere").text
    sheet = client.get(re.search(r'href="(/brand.css\?v=[0-9a-f]+)"', page).group(1))

    assert "· Acme</title>" in page
    assert "Latchkey" not in page
    assert "immutable" in sheet.headers["Cache-Control"]
    assert "#2457d6" in sheet.text


@pytest.mark.parametrize(
    "accent",
    ["#000000", "#ffffff", "#ffee00", "#00ff00", "#ff0000", "#2457d6", "#777777", "#0b6b5c", "#f4c2c2", "#001010"],
)
def test_any_accent_stays_readable(accent):
    for theme, colours in zip((palette.LIGHT, palette.DARK), palette.both(accent), strict=True):
        assert palette.contrast(colours["accent"], colours["on-accent"]) >= 4.5
        for paper in theme.pages:
            assert palette.contrast(colours["accent"], paper) >= 3
            assert palette.contrast(colours["accent-ink"], paper) >= 4.5
        assert palette.contrast(colours["accent-ink"], colours["accent-soft"]) >= 4.5


def test_a_vector_logo_is_served_as_a_picture_that_runs_nothing(app, settings):
    (settings.instance / "logo.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    )
    settings_module.use(settings_module.load({}, instance=settings.instance, brand_logo="logo.svg"))
    from app import create_app

    client = create_app(settings_module.current()).test_client()
    page = client.get("/nowhere").text
    logo = client.get(re.search(r'<img class="brand__mark" src="([^"]+)"', page).group(1))

    assert logo.content_type == "image/svg+xml; charset=utf-8"
    assert "sandbox" in logo.headers["Content-Security-Policy"]
    assert "script-src" not in logo.headers["Content-Security-Policy"]
    assert "immutable" in logo.headers["Cache-Control"]


def test_a_large_picture_is_shrunk(app, settings):
    Image.new("RGBA", (2000, 1000), "red").save(settings.instance / "logo.png")

    logo = assets._logo(settings.instance / "logo.png")

    with Image.open(BytesIO(logo.body)) as picture:
        assert picture.size == (256, 128)
    assert logo.kind == "image/png"


@pytest.mark.parametrize(
    "name,content",
    [("logo.png", b"not a picture"), ("logo.svg", b"<html></html>"), ("logo.gif", b"GIF89a"), ("missing.svg", None)],
)
def test_a_logo_that_is_none_stops_the_start(app, settings, name, content):
    if content is not None:
        (settings.instance / name).write_bytes(content)

    refuse(app, settings, brand_logo=name)


def test_a_logo_that_is_too_large_stops_the_start(app, settings):
    (settings.instance / "logo.svg").write_bytes(b"<svg>" + b" " * assets.LOGO_BYTES)

    refuse(app, settings, brand_logo="logo.svg")


def test_by_night_a_page_is_the_same_but_for_its_colours():
    """What the browser tests rest on, which look at all of a page by day and at its colours alone by night."""
    sheets = {path.name: path.read_text("utf-8") for path in (ROOT / "static").rglob("*.css")}
    scripts = "".join(path.read_text("utf-8") for path in (ROOT / "static").glob("*.js"))
    asked = re.compile(r"prefers-color-scheme|data-theme|colorScheme")

    assert asked.findall(scripts) == []
    assert [name for name, text in sheets.items() if asked.search(text)] == ["tokens.css"]
    rules = re.findall(r"[^{}]*data-theme[^{}]*{([^{}]*)}", sheets["tokens.css"])
    assert [rule.strip() for rule in rules] == ["color-scheme: light;", "color-scheme: dark;"]

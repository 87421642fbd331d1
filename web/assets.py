"""Static files under fingerprinted addresses, the operator's brand, and icons: what every page refers to."""

import gzip
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, Response, abort, request
from markupsafe import Markup

from latchkey import settings
from latchkey.loading import Late
from web import filters, palette, policy
from web.layer import compression

if TYPE_CHECKING:
    from PIL import Image
else:
    Image = Late("PIL.Image")

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
    ".png": "image/png",
    ".webp": "image/webp",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
SHEET = "latchkey.css"
SPRITE = "icons.svg"
PART = re.compile(r'^@import "(css/[^"]+)" (?:layer\((\w+)\)|(print));$', re.MULTILINE)
ZIPPED = {".css", ".js", ".svg", ".txt"}
FOREVER = "public, max-age=31536000, immutable"
ACCENT = re.compile(r"#[0-9a-fA-F]{6}", re.ASCII)
LOGO_BYTES = 1024 * 1024
LOGO_PIXELS = 256


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent, kept in memory: all of them are a few hundred kilobytes."""

    body: bytes
    kind: str
    zipped: bytes | None = None


@dataclass(frozen=True, slots=True)
class Brand:
    """The operator's name, pictures and colours. `light` and `dark` are for mails, which have no style sheet."""

    name: str
    # Whether the operator chose it.
    chosen: bool
    css: str
    logo: str | None
    light: dict[str, str]
    dark: dict[str, str]

    # Which ways in there are: the upstream by its name, if any, and passwords.
    upstream: str | None
    passwords: bool

    # Policies: what administrators write holds from the next page on.
    @property
    def tagline(self) -> str | None:
        """The landing page's sentence; None for the built-in one."""
        return settings.current().brand_tagline

    @property
    def links(self) -> tuple[tuple[str, str], ...]:
        """What the foot of pages and letters leads to."""
        return settings.current().links

    @property
    def api_docs(self) -> str | None:
        """The company's own API reference."""
        return settings.current().api_docs_url


@cache
def _asset(suffix: str, body: bytes) -> Asset:
    return Asset(body, TYPES[suffix], gzip.compress(body, 9, mtime=0) if suffix in ZIPPED else None)


def _fingerprint(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]


def _joined(folder: Path) -> bytes:
    """The style sheet with its parts in place of their imports: a browser asks once."""

    def part(found: re.Match[str]) -> str:
        name, layer, _ = found.groups()
        around = f"@layer {layer}" if layer else "@media print"
        return f"{around} {{\n{(folder / name).read_text(encoding='utf-8')}}}\n"

    return PART.sub(part, (folder / SHEET).read_text(encoding="utf-8")).encode()


def _read(folder: Path) -> dict[str, Asset]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix in TYPES and folder / "css" not in path.parents)
    files = {path.relative_to(folder).as_posix(): _asset(path.suffix, path.read_bytes()) for path in paths}
    return files | {SHEET: _asset(".css", _joined(folder))}


def _answer(asset: Asset, *, forever: bool, sandbox: str = "") -> Response:
    zipped = asset.zipped if compression.accepted() else None
    response = Response(asset.body if zipped is None else zipped, content_type=asset.kind)
    if zipped is not None:
        response.content_encoding = "gzip"
    if asset.zipped is not None:
        response.vary.add("Accept-Encoding")
    if sandbox:
        response.headers["Content-Security-Policy"] = sandbox
    response.headers["Cache-Control"] = FOREVER if forever else "no-cache"
    response.set_etag(_fingerprint(asset.body) + ("-gzip" if zipped is not None else ""))
    response.make_conditional(request)
    return response


def _logo(path: Path) -> Asset:
    problem = f"LATCHKEY_BRAND_LOGO cannot be {path.name}: allowed is an SVG or PNG file of at most 1 MB"
    if not path.is_file() or path.stat().st_size > LOGO_BYTES or path.suffix.lower() not in (".svg", ".png"):
        raise settings.SettingError(problem)
    body = path.read_bytes()
    if path.suffix.lower() == ".svg":
        if b"<svg" not in body:
            raise settings.SettingError(problem)
        return _asset(".svg", body)
    try:
        with Image.open(BytesIO(body), formats=["PNG"]) as picture:
            picture.thumbnail((LOGO_PIXELS, LOGO_PIXELS))
            shrunk = BytesIO()
            picture.save(shrunk, "PNG", optimize=True)
    except (OSError, ValueError, Image.DecompressionBombError):
        raise settings.SettingError(problem) from None
    return _asset(".png", shrunk.getvalue())


def _sprite(icons: Mapping[str, str]) -> bytes:
    """All icons as one file, of which pages show the ones that they name."""
    drawn = 'viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-linecap="round" stroke-linejoin="round"'
    shapes = "".join(f'<symbol id="{name}" {drawn}>{shape}</symbol>' for name, shape in icons.items())
    return f'<svg xmlns="http://www.w3.org/2000/svg">{shapes}</svg>'.encode()


def _register_files(app: Flask) -> None:
    icons = json.loads((Path(app.root_path) / "templates" / "macros" / "icons.json").read_text(encoding="utf-8"))
    files = _read(Path(app.root_path) / "static") | {SPRITE: _asset(".svg", _sprite(icons))}
    version = _fingerprint(*(name.encode() + file.body for name, file in files.items()))

    # The fingerprint is a folder, so that the addresses of fonts within the style sheet carry it as well.
    @app.get("/assets/<asked>/<path:name>", endpoint="asset")
    def show_asset(asked: str, name: str) -> Response:
        if name not in files:
            abort(404)
        return _answer(files[name], forever=asked == version)

    def asset(name: str) -> str:
        """The address of a static file."""
        if name not in files:
            raise LookupError(f"static/{name} does not exist")
        return f"/assets/{version}/{name}"

    @cache
    def icon(name: str, more: str = "") -> Markup:
        """A decorative SVG (Lucide, ISC); the text beside it carries the meaning."""
        if name not in icons:
            raise LookupError(f"there is no icon {name}")
        shown = f"{asset(SPRITE)}#{name}"
        return Markup('<svg class="icon{}" aria-hidden="true"><use href="{}"/></svg>').format(
            more and f" {more}", shown
        )

    app.jinja_env.globals.update(asset=asset, icon=icon)


def _register_brand(app: Flask, ours: settings.Settings) -> None:
    light, dark = palette.both(ours.brand_accent)
    sheet = _asset(".css", palette.css(light, dark).encode())
    logo = _logo(ours.instance / ours.brand_logo) if ours.brand_logo else None

    @app.get("/brand.css", endpoint="brand_css")
    def show_style() -> Response:
        return _answer(sheet, forever=request.args.get("v") == _fingerprint(sheet.body))

    @app.get("/brand/preview.css", endpoint="brand_preview")
    def show_preview() -> Response:
        accent = request.args.get("accent", "")
        if not ACCENT.fullmatch(accent):
            abort(404)
        return _answer(Asset(palette.preview(accent.lower()).encode(), TYPES[".css"]), forever=False)

    @app.get("/brand/logo", endpoint="brand_logo")
    def show_logo() -> Response:
        if logo is None:
            abort(404)
        return _answer(logo, forever=request.args.get("v") == _fingerprint(logo.body), sandbox=policy.DRAWING)

    app.jinja_env.globals["brand"] = Brand(
        name=ours.brand_name,
        chosen="brand_name" in ours.given,
        css=f"/brand.css?v={_fingerprint(sheet.body)}",
        logo=f"/brand/logo?v={_fingerprint(logo.body)}" if logo else None,
        light=light,
        dark=dark,
        upstream=ours.upstream,
        passwords=ours.passwords == "on",
    )


def register(app: Flask) -> None:
    """Serve files and brand, and give templates what they refer to. Raises `SettingError` for a logo that is none."""
    ours = settings.current()
    _register_files(app)
    _register_brand(app, ours)
    filters.register(app)
    app.jinja_env.globals.update(
        local_mail=ours.development and ours.mail_server is None,
        base_url=ours.base_url,
        theme_cookie=ours.cookie("theme"),
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

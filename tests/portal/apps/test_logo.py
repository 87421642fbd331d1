"""Logos: uploaded, looked at, drawn anew and served from here."""

import io
import struct
import zlib

import pytest
from PIL import Image

from latchkey import clients
from latchkey.store.session import db as session
from portal.apps import pictures
from tests import pages
from tests.factories import make_client
from tests.portal.apps.app_pages import FORM, hidden, only_app, register


def picture(kind="PNG", size=(64, 64), mode="RGB", **options):
    written = io.BytesIO()
    Image.new(mode, size, "teal").save(written, kind, **options)
    return written.getvalue()


def upload(body, name="logo.png"):
    return io.BytesIO(body), name


def send(browser, picture):
    """A registration whose body the test client does not put into a file of its own, as it does with large ones."""
    page = browser.get("/apps/new")
    fields = {"csrf_token": pages.csrf(page), "form_id": hidden(page, "form_id")} | FORM
    body = b"".join(
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, values in fields.items()
        for value in ([values] if isinstance(values, str) else values)
    )
    head = b'--x\r\nContent-Disposition: form-data; name="logo"; filename="logo.png"\r\n\r\n'
    whole = body + head + picture + b"\r\n--x--\r\n"
    return browser.post("/apps/new", data=whole, content_type="multipart/form-data; boundary=x")


def claiming(width, height):
    """A PNG whose head claims a size that its few bytes do not have."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "body",
    [picture(), picture("WEBP"), picture(size=(900, 300)), picture(mode="LA"), picture(mode="P"), picture(mode="I;16")],
    ids=["png", "webp", "oblong", "grey", "palette", "sixteen bits"],
)
def test_a_picture_is_drawn_anew_as_a_small_square_png(body):
    with Image.open(io.BytesIO(pictures.square(io.BytesIO(body)))) as drawn:
        assert drawn.format == "PNG"
        assert drawn.size == (192, 192)


@pytest.mark.standard("J-04")
def test_nothing_but_pixels_survives():
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text("Comment", "<script>alert(1)</script>")

    drawn = pictures.square(io.BytesIO(picture(pnginfo=notes) + b"<script>alert(2)</script>"))

    assert b"script" not in drawn


@pytest.mark.parametrize(
    "body, words",
    [
        (b"", "PNG or WebP"),
        (b"GIF89a" + b"\0" * 40, "PNG or WebP"),
        (picture("GIF"), "PNG or WebP"),
        (picture("JPEG"), "PNG or WebP"),
        (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "PNG or WebP"),
        (b"<html><script>alert(1)</script>", "PNG or WebP"),
        (picture()[:60], "PNG or WebP"),
        (picture("WEBP")[:30], "PNG or WebP"),
        (claiming(30_000, 30_000), "PNG or WebP|2,000 by 2,000"),
        (claiming(2_001, 2_000), "2,000 by 2,000"),
        (claiming(500, 500), "PNG or WebP"),
        (b"\x89PNG" + b"\0" * 1024 * 1024, "at most 1 MB"),
    ],
    ids=[
        "empty",
        "not quite a gif",
        "gif",
        "jpeg",
        "svg",
        "page",
        "cut png",
        "cut webp",
        "bomb",
        "large",
        "lie",
        "heavy",
    ],
)
def test_what_is_no_fit_picture_is_refused_in_words(body, words):
    with pytest.raises(pictures.BadPicture, match=words):
        pictures.square(io.BytesIO(body))


def test_a_logo_comes_with_a_new_app_and_is_served_from_here(signed_in, client, alice):
    register(signed_in, logo=upload(picture("WEBP", (300, 200)), "../../etc/passwd"))

    app = only_app(alice)
    address = f"/apps/{app.id}/logo?v={app.logo_version}"
    assert address in signed_in.get("/apps").text.replace("&amp;", "&")
    answer = signed_in.application.test_client().get(address)
    assert answer.status_code == 200
    assert answer.content_type == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in answer.headers["Cache-Control"]
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "Set-Cookie" not in answer.headers


def test_an_address_without_the_version_is_asked_for_again(signed_in, alice):
    register(signed_in, logo=upload(picture()))

    answer = signed_in.get(f"/apps/{only_app(alice).id}/logo")

    assert answer.headers["Cache-Control"] == "no-cache"
    again = signed_in.get(f"/apps/{only_app(alice).id}/logo", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_a_bad_picture_is_refused_beside_its_field_and_registers_nothing(signed_in, alice):
    answer = register(signed_in, logo=upload(b"MZ", "logo.png"))

    assert answer.status_code == 422
    assert "Use a PNG or WebP picture" in answer.text
    assert clients.list_for(alice) == []


def test_a_picture_that_is_too_heavy_is_refused_beside_its_field(signed_in, alice):
    answer = send(signed_in, b"\x89PNG" + b"\0" * 1_500_000)

    assert answer.status_code == 422
    assert "at most 1 MB" in answer.text


def test_far_more_than_a_picture_is_not_read_at_all(signed_in):
    assert send(signed_in, b"\0" * 3_000_000).status_code == 413


def test_a_logo_is_replaced_and_removed(signed_in, alice):
    app = make_client(alice).client
    fields = {"name": app.name, "homepage": app.homepage, "scope": "account:read", "pkce_required": "y"}
    pages.submit(signed_in, f"/apps/{app.id}/edit", logo=upload(picture()), **fields)
    session.expire_all()
    version = clients.find(app.id).logo_version
    assert version

    pages.submit(signed_in, f"/apps/{app.id}/edit", logo=upload(picture(size=(10, 90))), **fields)
    session.expire_all()
    assert clients.find(app.id).logo_version not in (None, version)

    pages.submit(signed_in, f"/apps/{app.id}/edit", remove_logo="y", **fields)
    session.expire_all()
    assert clients.find(app.id).logo_version is None
    assert signed_in.get(f"/apps/{app.id}/logo").status_code == 404


def test_an_app_without_a_logo_shows_its_letter(signed_in, alice):
    app = make_client(alice, name="fieldnotes").client

    assert "<b>F</b>" in signed_in.get("/apps").text
    assert signed_in.get(f"/apps/{app.id}/logo").status_code == 404

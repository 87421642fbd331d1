"""Pictures that strangers upload: looked at, shrunk and written anew, so that what we serve was made by us."""

import struct
import zlib
from io import BytesIO
from typing import IO, TYPE_CHECKING

from latchkey.loading import Late
from portal.blueprint import LONGEST_PICTURE

if TYPE_CHECKING:
    from PIL import Image
else:
    Image = Late("PIL.Image")

MOST_PIXELS = 4_000_000
SIDE = 192
# Whatever a broken or hostile file makes the decoders say.
FAULTS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    OverflowError,
    KeyError,
    IndexError,
    MemoryError,
    struct.error,
    zlib.error,
)


class BadPicture(Exception):
    """This is no picture that we show; the message says what is allowed."""


def square(upload: IO[bytes]) -> bytes:
    """A PNG of 192 by 192 pixels of an uploaded PNG or WebP; an oblong one gets transparent margins (J-04).

    The size that the file claims is judged before a single pixel is decoded. Raises `BadPicture`.
    """
    body = upload.read(LONGEST_PICTURE + 1)
    if len(body) > LONGEST_PICTURE:
        raise BadPicture("Use a picture of at most 1 MB.")
    try:
        with Image.open(BytesIO(body), formats=["PNG", "WEBP"]) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise BadPicture("Use a picture of at most 2,000 by 2,000 pixels.")
            return _drawn(picture)
    except (*FAULTS, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadPicture("Use a PNG or WebP picture.") from None


def _drawn(picture: "Image.Image") -> bytes:
    shrunk = picture.convert("RGBA")
    shrunk.thumbnail((SIDE, SIDE))
    canvas = Image.new("RGBA", (SIDE, SIDE))
    canvas.paste(shrunk, ((SIDE - shrunk.width) // 2, (SIDE - shrunk.height) // 2))
    written = BytesIO()
    canvas.save(written, "PNG", optimize=True)
    return written.getvalue()

"""JSON, encoded as often as anything is: by the encoder of the standard library, which it makes anew for each text."""

import json
from collections.abc import Callable
from json import encoder
from typing import Any

# A text as JSON, in ASCII or with the characters that it has: for what is put together by hand.
quoted: Callable[[str], str] = encoder.encode_basestring_ascii
quoted_as_is: Callable[[str], str] = encoder.encode_basestring


def compact(*, ascii_only: bool = False, separators: tuple[str, str] = (",", ":")) -> Callable[[Any], str]:
    """What encodes; what is given to it was put together here, and is no circle."""
    made = json.JSONEncoder(ensure_ascii=ascii_only, separators=separators, check_circular=False)
    quick = getattr(encoder, "c_make_encoder", None)
    if quick is None:
        return made.encode
    quoted = encoder.encode_basestring_ascii if ascii_only else encoder.encode_basestring
    item, key = separators
    parts = quick(None, made.default, quoted, None, key, item, made.sort_keys, made.skipkeys, made.allow_nan)
    return lambda data: "".join(parts(data, 0))


def readable(document: dict[str, Any]) -> bytes:
    """A document that people read in a terminal, too: quotation marks stay what they are.

    A name that is echoed may hold half a surrogate pair, which alone is written as an escape of JSON.
    """
    return json.dumps(document, ensure_ascii=False).encode(errors="backslashreplace")

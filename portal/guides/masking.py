"""A pasted text without anything that could be a secret."""

import re

from latchkey import ids

MASK = "…"
# Of ours or another installation, however little of it is there.
CREDENTIAL = re.compile(r"([a-z][a-z0-9]{0,15}_(?:dev|oat|ort|sec|dvc)_)[0-9a-z]+", re.ASCII | re.IGNORECASE)
# Nothing is given back: what begins like one again and again would be read that often.
JWT = re.compile(r"\beyJ[\w-]{6,2000}+(?:\.[\w-]{0,2000}+){1,4}", re.ASCII)
# Names whose values are secret, in JSON, headers, forms and addresses. `code` also matches code_verifier and its like.
NAMES = (
    r"(?:[\w-]{0,40}(?:secret|password|passwd|passphrase|token|api[_-]?key|apikey|assertion|cookie|credential|session|signature)"
    r"[\w-]{0,40}|pwd|code|code_verifier|device_code|user_code|authorization|x-[\w-]{0,40}(?:auth|key)[\w-]{0,40})"
)
# Names that say something about a secret, and are none.
HARMLESS = re.compile(
    r"token_type(?:_hint)?|token_endpoint\w*|\w*_supported|x-auth-(?:user-id|email|client-id|scope|token-id)|subject_token_type",
    re.ASCII | re.IGNORECASE,
)
NAMED = re.compile(
    r"(?P<name>\b" + NAMES + r")(?P<between>[\"']?\s{0,20}[:=]\s{0,20})"
    r"(?P<value>\"[^\"\n]*\"?|'[^'\n]*'?|[^\s\"'&,;})]+)",
    re.ASCII | re.IGNORECASE,
)
COOKIES = re.compile(r"(\bcookie:[ \t]{0,20})[^\r\n\"']+", re.ASCII | re.IGNORECASE)
SCHEME = re.compile(
    r"\b(basic|bearer|digest|negotiate|dpop|token)\s+(?!(?:error|realm|scope|resource_metadata|token_)\w*=)([^\s\"'\\,;]{4,})",
    re.ASCII | re.IGNORECASE,
)
USER = re.compile(r"((?:^|\s)(?:-u|--user)[= ]?\s*[\"']?[^\s:\"']*:)[^\s\"']+", re.ASCII)
USERINFO = re.compile(r"(://[^\s/:@]*:)[^\s/@]+(?=@)", re.ASCII)
# What looks drawn at random: long, and letters mixed with digits. Ids of ours are no secrets.
DRAWN = re.compile(rf"(?<![\w+-])(?!{ids.FORM}\b)(?=[\w+-]*[0-9])(?=[\w+-]*[A-Za-z])[\w+-]{{24,}}={{0,2}}", re.ASCII)


def masked(text: str) -> str:
    """The text, in which secrets are as long as a dot; what they are called stays."""
    text = CREDENTIAL.sub(rf"\1{MASK}", text)
    text = JWT.sub(f"eyJ{MASK}", text)
    text = USERINFO.sub(rf"\1{MASK}", USER.sub(rf"\1{MASK}", text))
    text = COOKIES.sub(rf"\1{MASK}", SCHEME.sub(_scheme, text))
    text = NAMED.sub(_named, text)
    return DRAWN.sub(MASK, text)


def _scheme(found: re.Match[str]) -> str:
    # A variable is no secret, and a mask already there says more than another.
    return found[0] if MASK in found[2] or found[2].startswith(("$", "<")) else f"{found[1]} {MASK}"


def _named(found: re.Match[str]) -> str:
    value = found["value"]
    scheme = value.strip("\"'").casefold() in ("bearer", "basic", "dpop", "digest")
    if HARMLESS.fullmatch(found["name"]) or MASK in value or value.startswith(("$", '"$', "{", "[")) or scheme:
        return found[0]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{found['name']}{found['between']}{quote}{MASK}{quote if value.endswith(quote) else ''}"

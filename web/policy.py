"""The security headers of every answer, and what pages may load and where they may lead, made of one list."""

_SOURCES = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
)
_FRAMES = "frame-ancestors 'none'; base-uri 'none'"

PAGE = f"{_SOURCES}form-action 'self'; {_FRAMES}"
# N-05: no form-action, since Chromium holds every redirect after the form to it, the app's own included.
LEADS_TO_AN_APP = _SOURCES + _FRAMES
# A page that shows another one of ours within itself.
FRAMING = f"{_SOURCES}frame-src 'self'; form-action 'self'; {_FRAMES}"
# A picture that is opened on its own must not become a page of ours; one in SVG brings styles of its own.
PICTURE = "default-src 'none'; frame-ancestors 'none'; sandbox"
DRAWING = f"style-src 'unsafe-inline'; {PICTURE}"
# A mail brings its own styles and nothing else; its links open in the whole window.
LETTER = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; "
    "sandbox allow-top-navigation-by-user-activation"
)

HEADERS = [
    # else the server beneath names itself.
    ("Server", "portal"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "browsing-topics=(), camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
]
STRICT_TRANSPORT = ("Strict-Transport-Security", "max-age=31536000")

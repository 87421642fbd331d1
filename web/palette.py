"""The operator's accent colour, turned into the brand's six colours for light and dark, all WCAG AA.

Fills keep 3:1 against the page, text 4.5:1. A colour that cannot reach this is moved in lightness only, so that the hue
that the operator chose stays recognisable. Colours are OKLCH while they are moved and `#rrggbb` outside.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

DEFAULT = "#0b6b5c"


@dataclass(frozen=True, slots=True)
class Theme:
    """The papers that colours stand on, and the dark or light ink that may stand on a fill."""

    light: bool
    pages: tuple[str, ...]
    ink: str


LIGHT = Theme(light=True, pages=("#f6f6f2", "#ffffff", "#f4f4f0"), ink="#16201d")
DARK = Theme(light=False, pages=("#0e1211", "#141918", "#1a201f"), ink="#04140f")

# Chosen by hand for the accent that Latchkey comes with.
SHIPPED = (
    {
        "accent": "#0b6b5c",
        "accent-hover": "#08564a",
        "on-accent": "#ffffff",
        "accent-ink": "#0a6254",
        "accent-soft": "#e5f2ee",
        "accent-line": "#a8d2c7",
    },
    {
        "accent": "#4fc7af",
        "accent-hover": "#6bd6c0",
        "on-accent": "#04211b",
        "accent-ink": "#63d3bd",
        "accent-soft": "#12302a",
        "accent-line": "#255a4f",
    },
)


def _linear(colour: str) -> list[float]:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in channels]


def _encoded(value: float) -> int:
    value = min(1.0, max(0.0, value))
    return round(255 * (12.92 * value if value <= 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055))


def luminance(colour: str) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2)."""
    red, green, blue = _linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio, 1 to 21 (WCAG 2.2)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _to_oklch(colour: str) -> tuple[float, float, float]:
    r, g, b = _linear(colour)
    l, m, s = (  # noqa: E741 - the names of the cone responses
        x ** (1 / 3)
        for x in (
            0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b,
            0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b,
            0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b,
        )
    )
    a = 1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s
    b = 0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s
    return 0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s, math.hypot(a, b), math.atan2(b, a)


def _from_oklch(lightness: float, chroma: float, hue: float) -> str:
    while True:  # less chroma, until sRGB has the colour
        a, b = chroma * math.cos(hue), chroma * math.sin(hue)
        l, m, s = (  # noqa: E741 - as above
            x**3
            for x in (
                lightness + 0.3963377774 * a + 0.2158037573 * b,
                lightness - 0.1055613458 * a - 0.0638541728 * b,
                lightness - 0.0894841775 * a - 1.2914855480 * b,
            )
        )
        channels = (
            4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
            -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
            -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s,
        )
        if all(-1e-4 <= v <= 1.0001 for v in channels) or chroma < 0.002:
            return "#" + "".join(f"{_encoded(v):02x}" for v in channels)
        chroma -= 0.004


def _move(lightness: float, chroma: float, hue: float, step: float, good: Callable[[str], bool]) -> tuple[str, float]:
    colour = _from_oklch(lightness, chroma, hue)
    while not good(colour) and 0 < lightness < 1:
        lightness += step
        colour = _from_oklch(lightness, chroma, hue)
    return colour, lightness


def shades(accent: str, theme: Theme) -> dict[str, str]:
    """The six brand colours of one theme, by their names in the style sheet."""
    lightness, chroma, hue = _to_oklch(accent)
    if not theme.light:
        lightness, chroma = (0.92 if chroma < 0.03 else max(lightness, 0.74)), min(chroma, 0.14)
    step = -0.01 if theme.light else 0.01

    def readable(fill: str) -> bool:
        on_it = max(contrast(fill, "#ffffff"), contrast(fill, theme.ink))
        return min(contrast(fill, page) for page in theme.pages) >= 3 and on_it >= 4.5

    fill, reached = _move(lightness, chroma, hue, step, readable)
    on_fill = "#ffffff" if contrast(fill, "#ffffff") >= 4.5 else theme.ink
    soft = _from_oklch(0.955 if theme.light else 0.29, min(chroma, 0.022 if theme.light else 0.042), hue)
    papers = [*theme.pages, soft]
    text, _ = _move(reached, chroma, hue, step, lambda c: min(contrast(c, paper) for paper in papers) >= 4.6)
    return {
        "accent": fill,
        "accent-hover": _from_oklch(reached + (-0.06 if on_fill == "#ffffff" else 0.05), chroma, hue),
        "on-accent": on_fill,
        "accent-ink": text,
        "accent-soft": soft,
        "accent-line": _from_oklch(0.83 if theme.light else 0.43, min(chroma, 0.06), hue),
    }


def both(accent: str) -> tuple[dict[str, str], dict[str, str]]:
    """The brand colours for light and for dark."""
    if accent.lower() == DEFAULT:
        return SHIPPED
    return shades(accent, LIGHT), shades(accent, DARK)


def css(light: dict[str, str], dark: dict[str, str], where: str = ":root") -> str:
    """The style sheet that sets them."""
    colours = "".join(f"  --{name}: light-dark({light[name]}, {dark[name]});\n" for name in light)
    return f"{where} {{\n{colours}}}\n"


def preview(accent: str) -> str:
    """The style sheet of a page's parts that show an accent beside the one in use, by day and by night."""
    schemes = "".join(f".theme--{name} {{ color-scheme: {name}; }}\n" for name in ("light", "dark"))
    paper = ".theme { padding: var(--s5); background: var(--bg); color: var(--ink); }\n"
    return css(*both(accent), ".theme") + paper + schemes

"""The addresses of routes, with ids in their places."""

import re
from collections.abc import Mapping

from werkzeug.routing import Rule

PART = re.compile(r"<(?:(\w+)(?:\(([^)]*)\))?:)?(\w+)>")


def addresses(rule: Rule, ids: Mapping[str, str]) -> list[str]:
    """Each address of a route: one for every word that it may take where it takes one of several."""
    words = next((found[2].split(",") for found in PART.finditer(rule.rule) if found[1] == "any"), [""])
    return [
        PART.sub(lambda part, word=word: word.strip(" '") if part[1] == "any" else ids[part[3]], rule.rule)
        for word in words
    ]

"""Where settings are written: the environment and the files of the instance folder."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PREFIX = "LATCHKEY_"
# Kubernetes sets these for a Service of our name.
NOT_OURS = re.compile(r"LATCHKEY_(PORT|PORT_.*|SERVICE_.*)")


def environment(environ: Mapping[str, str]) -> dict[str, tuple[str, Any]]:
    """Settings in the environment: under each name the variable and its text."""
    return {
        key.removeprefix(PREFIX).lower(): (key, value)
        for key, value in environ.items()
        if key.startswith(PREFIX) and value != "" and not NOT_OURS.fullmatch(key)
    }


def file(path: Path) -> dict[str, tuple[str, Any]]:
    """Settings in config.toml: under each name the key as it is called there, and its value. Raises `ValueError`."""
    return {key.lower(): (f"{key} in config.toml", value) for key, value in table(path).items()}


def table(path: Path) -> dict[str, Any]:
    """What a TOML file says; nothing if it is not there. Raises `ValueError`, which names it."""
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name} cannot be read: {error}") from None

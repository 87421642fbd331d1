"""Where settings are written: the environment and config.toml, each with how its key is called there."""

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
    """What the file says, if there is one. Raises `ValueError`."""
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"config.toml cannot be read: {error}") from None
    return {key.lower(): (f"{key} in config.toml", value) for key, value in table.items()}

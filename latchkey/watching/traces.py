"""Whether traces are on: the extra `otel` is there, and the environment that OpenTelemetry names says where they go."""

import os
from collections.abc import Mapping
from importlib import metadata
from typing import NamedTuple
from urllib.parse import urlsplit

# Needs the SDK, so that both are there if it is.
PACKAGE = "opentelemetry-exporter-otlp-proto-http"
PROTOCOL = "http/protobuf"


class Standing(NamedTuple):
    """Whether they are on, and how that is said to the operator."""

    on: bool
    said: str


def standing(environ: Mapping[str, str] = os.environ) -> Standing:
    """How the environment of this process has it."""

    def asked(name: str) -> str:
        """The variable about traces alone wins over the one about all signals."""
        specific = environ.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}", "").strip()
        return specific or environ.get(f"OTEL_EXPORTER_OTLP_{name}", "").strip()

    where, protocol = asked("ENDPOINT"), asked("PROTOCOL") or PROTOCOL
    if not where:
        return Standing(on=False, said="off: OTEL_EXPORTER_OTLP_ENDPOINT is not set")
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Standing(on=False, said="off: OTEL_SDK_DISABLED is true")
    if (exporter := environ.get("OTEL_TRACES_EXPORTER", "").strip()) not in ("", "otlp"):
        return Standing(on=False, said=f"off: OTEL_TRACES_EXPORTER is {exporter[:20]!r}, not otlp")
    if protocol != PROTOCOL:
        return Standing(on=False, said=f"warning: off, since OTLP is spoken as {PROTOCOL} only, not {protocol[:20]!r}")
    if (host := _host(where)) is None:
        return Standing(on=False, said="warning: off, since the endpoint of OTLP is no http address")
    if not _installed():
        return Standing(on=False, said=f"warning: off, since the extra otel ({PACKAGE}) is not installed")
    return Standing(on=True, said=f"on, sent to {host}")


def _host(url: str) -> str | None:
    """Who is sent to; whatever else stands in the address may be a secret."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    return f"{parts.hostname}{port}" if parts.scheme in ("http", "https") and parts.hostname else None


def _installed() -> bool:
    try:
        metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return False
    return True

"""What a call is going to read, as far as its head and body tell: those that come together are read for together."""

from collections.abc import Callable
from typing import TypeAlias, TypeVar
from wsgiref.types import WSGIEnvironment

from latchkey.store.drivers.foresight import Wanted
from latchkey.tokens import access

Foresee: TypeAlias = Callable[[WSGIEnvironment], Wanted | None]
View = TypeVar("View", bound=Callable[..., object])


def foreseen(by: Foresee) -> Callable[[View], View]:
    """Marks a call by what tells what it will read; None: it is to ask by itself."""

    def mark(view: View) -> View:
        view.__dict__["foresee"] = by
        return view

    return mark


def bearer(environ: WSGIEnvironment, last: str = access.ALL) -> Wanted | None:
    """What is read, up to its `last` field, for the token in the header when it is one of ours as all apps write it."""
    header: str = environ.get("HTTP_AUTHORIZATION", "")
    return access.wanted(header[len("Bearer ") :].strip(), last) if header.startswith("Bearer ") else None

"""What somebody may want to see of their tokens: which, in which order, from where on."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

PAGE = 50
LAST_PAGE = 1_000
# So many can be ticked and revoked at a time: a form has no more fields.
MOST_CHOSEN = 450
SORTS = ("created", "used", "expires", "name")
FILTERS = ("never_used", "unused", "expires_soon", "no_expiry", "write")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to see of their tokens."""

    status: str = "active"
    search: str = ""
    sort: str = "created"
    filters: frozenset[str] = frozenset()
    scope: str = ""
    page: int = 1
    # Those that end on this day in UTC, or before it.
    ends_by: date | None = None

    def query(self, **other: object) -> dict[str, Any]:
        """The parameters of its address, with some of them changed; what is usual is left out."""
        wanted = replace(self, **{"page": 1, **other})  # type: ignore[arg-type] # fields by their names
        usual = {"status": "active", "q": "", "sort": "created", "scope": "", "page": 1}
        named = {"status": wanted.status, "q": wanted.search, "sort": wanted.sort, "scope": wanted.scope}
        kept = {name: value for name, value in (named | {"page": wanted.page}).items() if value != usual[name]}
        if wanted.ends_by is not None:
            kept["ends_by"] = wanted.ends_by.isoformat()
        return kept | {name: "1" for name in FILTERS if name in wanted.filters}

    def toggled(self, name: str) -> dict[str, Any]:
        """The same with a filter more, or without it."""
        return self.query(filters=self.filters ^ {name})

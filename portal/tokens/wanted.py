"""What the address of the list asks for: status, search, order, filters, page."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from latchkey import scopes, texts
from latchkey.tokens.listing import FILTERS, LAST_PAGE, SORTS, Wanted
from portal.fields import day

LISTS = ("active", "ended")
LONGEST_SEARCH = 80
NO_LIST = "There is no such list. Choose one of these."
_PAGE = re.compile(r"[1-9]\d{0,3}", re.ASCII)


class Asked(NamedTuple):
    """What is asked for, as far as that can be had; the search as it was typed; and what is wrong with the address."""

    wanted: Wanted
    search: str
    fault: str


def asked(args: Mapping[str, str]) -> Asked:
    """What an address asks for. Nothing of a wrong one counts but the list."""
    status, sort = args.get("status", "active"), args.get("sort", "created")
    scope, page, search = args.get("scope", ""), args.get("page", "1"), args.get("q", "").strip()
    page_known = _PAGE.fullmatch(page) and int(page) <= LAST_PAGE
    ends_by = day(args.get("ends_by"))
    known = status in LISTS and sort in SORTS and page_known and (not scope or scope in scopes.catalogue())
    known = known and (ends_by is not None or not args.get("ends_by"))
    fault = _fault(search) if known else NO_LIST
    if fault:
        return Asked(Wanted(status if status in LISTS else "active"), search[:LONGEST_SEARCH], fault)
    filters = frozenset(name for name in FILTERS if args.get(name) == "1")
    return Asked(Wanted(status, search, sort, filters, scope, int(page), ends_by), search, "")


def _fault(search: str) -> str:
    try:
        texts.line(search or "anything", LONGEST_SEARCH)
    except texts.BadText as fault:
        return str(fault)
    return ""

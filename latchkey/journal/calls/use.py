"""What the counts of calls say: days, scopes, and what would have failed without some of them."""

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_, select

from latchkey.journal.calls import counts
from latchkey.journal.calls.counting import LET_PASS
from latchkey.journal.calls.counts import CallCount
from latchkey.journal.calls.entries import ANY
from latchkey.journal.calls.places import MOST_PLACES, CallPlace
from latchkey.store.session import db

PEOPLE = 50


class Day(NamedTuple):
    """One day's calls, by what their token came to, and those that were let pass by the scopes they took."""

    day: date
    statuses: Counter[int]
    scopes: Counter[str]

    @property
    def answered(self) -> int:
        """How many were let pass."""
        return self.statuses[LET_PASS]

    @property
    def refused(self) -> int:
        """How many were not."""
        return self.statuses.total() - self.answered


class ScopeUse(NamedTuple):
    """How often a scope was used, and when last."""

    calls: int
    last_at: datetime | None


class Failing(NamedTuple):
    """Calls of one kind that would have been refused, and for which scopes."""

    call: str
    scopes: frozenset[str]
    calls: int
    last_at: datetime


class Person(NamedTuple):
    """One user's calls by an app."""

    user_id: str
    calls: int
    refused: int
    last_at: datetime


class Use:
    """The last 30 days of an app, or of a token with those that it made, for which it needs its scopes as well."""

    def __init__(self, rows: Iterable[CallCount], source_id: str) -> None:
        rows = list(rows)
        first = counts.first_day()
        self.days = [Day(first + timedelta(days=n), Counter(), Counter()) for n in range(counts.DAYS)]
        for row in (row for row in rows if row.source_id == source_id):
            if 0 <= (index := (row.day - first).days) < counts.DAYS:
                self.days[index].statuses[row.status] += row.calls
                if row.status == LET_PASS:
                    self.days[index].scopes.update(dict.fromkeys(row.scope.replace(ANY, "").split(), row.calls))
        self._passed = [row for row in rows if row.status == LET_PASS and row.calls > 0]

    @property
    def answered(self) -> int:
        """How many calls were let pass."""
        return sum(day.answered for day in self.days)

    @property
    def refused(self) -> int:
        """How many were not."""
        return sum(day.refused for day in self.days)

    @property
    def top(self) -> int:
        """A round number that no day is above."""
        most, step = max(day.answered + day.refused for day in self.days), 1
        while step * 10 < most:
            step *= 10
        return max(2, next(step * part for part in (1, 2, 4, 6, 8, 10) if step * part >= most))

    def scope(self, name: str) -> ScopeUse:
        """The use of one scope."""
        using = [row for row in self._passed if name in row.scope.split()]
        return ScopeUse(sum(row.calls for row in using), max((row.last_at for row in using), default=None))

    def used(self, names: Iterable[str]) -> frozenset[str]:
        """Which of these scopes calls used; all of them, if some calls were counted without their scopes."""
        taken = {name for row in self._passed for name in row.scope.split()}
        return frozenset(names) if ANY in taken else frozenset(names) & taken

    def without(self, names: frozenset[str]) -> list[Failing]:
        """The calls that would have been refused had these scopes been missing, the most frequent first."""
        found: dict[tuple[str, frozenset[str]], Failing] = {}
        for row in self._passed:
            needed = set(row.scope.split())
            missing = names if ANY in needed else names & needed
            if not missing:
                continue
            before = found.get((row.call, missing), Failing(row.call, missing, 0, row.last_at))
            last_at = max(before.last_at, row.last_at)
            found[row.call, missing] = before._replace(calls=before.calls + row.calls, last_at=last_at)
        return sorted(found.values(), key=lambda one: -one.calls)


def of(source_id: str, *hanging: str) -> Use:
    """The use of a token or an app, in one statement; `hanging` are tokens that a token made."""
    mine = select(CallCount).where(CallCount.source_id.in_([source_id, *hanging]), CallCount.person_id == "")
    return Use(db.scalars(mine.where(CallCount.day >= counts.first_day())), source_id)


def people(client_id: str) -> list[Person]:
    """The users for whom an app called most often in 30 days."""
    let_pass = func.sum(CallCount.calls).filter(CallCount.status == LET_PASS)
    calls, answered = func.sum(CallCount.calls), func.coalesce(let_pass, 0)
    theirs = (CallCount.source_id == client_id, CallCount.person_id != "", CallCount.day >= counts.first_day())
    statement = select(CallCount.person_id, calls, calls - answered, func.max(CallCount.last_at)).where(*theirs)
    ordered = statement.group_by(CallCount.person_id).order_by(calls.desc(), CallCount.person_id).limit(PEOPLE)
    return [Person(*row) for row in db.execute(ordered)]


def by_app(user_id: str, client_ids: Iterable[str]) -> dict[str, Person]:
    """A user's calls by each of these apps in 30 days, by the app's id."""
    let_pass = func.coalesce(func.sum(CallCount.calls).filter(CallCount.status == LET_PASS), 0)
    calls, theirs = func.sum(CallCount.calls), _lately(client_ids, user_id)
    statement = select(CallCount.source_id, calls, calls - let_pass, func.max(CallCount.last_at)).where(theirs)
    return {row[0]: Person(user_id, *row[1:]) for row in db.execute(statement.group_by(CallCount.source_id))}


def calls(user_id: str, token_ids: Iterable[str], client_ids: Iterable[str]) -> dict[str, int]:
    """How many calls came in 30 days with each of these tokens, and for a user by each of these apps, by their ids."""
    either = or_(_lately(token_ids), _lately(client_ids, user_id))
    counted = select(CallCount.source_id, func.sum(CallCount.calls)).where(either)
    return {source_id: int(number) for source_id, number in db.execute(counted.group_by(CallCount.source_id))}


def _lately(source_ids: Iterable[str], person_id: str = "") -> ColumnElement[bool]:
    """The condition for the counts of these sources in 30 days, in the order of the primary key."""
    of_these = (CallCount.source_id.in_(list(source_ids)), CallCount.person_id == person_id)
    return and_(*of_these, CallCount.day >= counts.first_day())


def places(token_id: str) -> list[CallPlace]:
    """From where a developer token was used lately, the latest first."""
    mine = select(CallPlace).where(CallPlace.token_id == token_id).order_by(CallPlace.last_at.desc())
    return list(db.scalars(mine.limit(MOST_PLACES)))

"""What waits for other machines, told to whoever watches: nobody, unless traces are on."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeAlias

from latchkey import turns

# Words of ours and names of hosts: never a path, a query, or anything of a person's.
Facts: TypeAlias = Mapping[str, str]
Watcher: TypeAlias = Callable[[str, Facts], AbstractContextManager[object]]

# At most one; it says what lasts as long as a step does.
watchers: list[Watcher] = []


@contextmanager
def step(name: str, facts: Facts) -> Iterator[None]:
    """One step, as long as the context lasts; others run meanwhile."""
    with turns.waiting(), watchers[0](name, facts) if watchers else nullcontext():
        yield

"""What waits for other machines, told to whoever watches: nobody, unless traces are on."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

# Words of ours and names of hosts: never a path, a query, or anything of a person's.
Facts: TypeAlias = Mapping[str, str]
Watcher: TypeAlias = Callable[[str, Facts], AbstractContextManager[object]]

# At most one; it says what lasts as long as a step does.
watchers: list[Watcher] = []
_UNWATCHED = nullcontext()


def step(name: str, facts: Facts) -> AbstractContextManager[object]:
    """One step, as long as the context lasts."""
    return watchers[0](name, facts) if watchers else _UNWATCHED

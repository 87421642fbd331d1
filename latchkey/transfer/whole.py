"""Files that appear under their name only when they are whole."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file of the owner's alone, which takes its name at the end; after a fault nothing is left of it."""
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(unfinished).replace(path)
        keep_name(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def keep_name(path: Path) -> None:
    """Have the folder of a file remember its name, also when the power fails."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

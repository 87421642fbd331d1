"""Statements given to PostgreSQL's own library: in its driver's cursor they take longer than at the server."""

import re
import select
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from latchkey import turns
from latchkey.loading import Late

if TYPE_CHECKING:
    import psycopg
    from psycopg.abc import Transformer
    from psycopg.pq.abc import PGresult
else:
    psycopg = Late("psycopg")

# As SQLAlchemy writes them: bytes alone are not said to be of a type.
PARAMETER = re.compile(r"%\((\w+)\)s(::VARCHAR|::TEXT|::)?|%%")
BYTEA, TEXT, BINARY = 17, 0, 1
# Whatever these parameters are, the server is given as many bytes as they have: a NUL ends none of them.
WHOLE = frozenset({None, "::VARCHAR", "::TEXT"})


class Statement(NamedTuple):
    """One that a connection has prepared: its name there, its parameters, and what reads its rows."""

    name: bytes
    order: list[tuple[str, bool]]
    formats: list[int]
    reader: "Transformer"

    def values(self, given: dict[str, Any]) -> list[Any]:
        """What the server is given for these parameters."""
        return [given[name] if bare else _written(given[name]) for name, bare in self.order]


def cursor(connection: Any) -> Any:
    """What runs statements by a driver's connection, each a transaction of its own."""
    # Behind a pooler what was prepared is not there where the next statement goes.
    if getattr(connection, "prepare_threshold", None) is None or connection.info.encoding != "utf-8":
        return connection.cursor()
    return Direct(connection)


def sends_several(cursor: Any) -> bool:
    """Whether it can send statements without waiting for the one before."""
    return isinstance(cursor, Direct) and psycopg.capabilities.has_pipeline()


class Direct:
    """A connection that runs one statement after the other, asked as the driver's cursors are.

    Each is a transaction of its own, and prepared when it first comes.
    """

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self.connection, self._server = connection, connection.pgconn
        self._statements: dict[str, Statement] = {}
        self._poll = select.poll()
        self._poll.register(self._server.socket)
        self._good = {psycopg.pq.ExecStatus.TUPLES_OK, psycopg.pq.ExecStatus.COMMAND_OK}

    def execute(self, text: str, given: dict[str, Any]) -> "Direct":
        """Run a statement with these parameters."""
        statement = self._statements.get(text)
        if statement is None:
            statement = self._prepare(text)
        values = statement.values(given)
        with turns.reading():
            result = self._server.exec_prepared(statement.name, values, statement.formats, TEXT)
        self._result = self._checked(result)
        self._reader = statement.reader
        return self

    def read_each(self, asked: Sequence[tuple[str, dict[str, Any]]]) -> list[list[Any]]:
        """The rows of each of some statements that read, which are sent at once.

        Raises what one of them met: then the connection is of no more use.
        """
        if len(asked) == 1:
            # In one step, which lets the interpreter go once: beside pages each more is a wait for them.
            return [self.execute(*asked[0]).fetchall()]
        given = [(self._statements.get(text) or self._prepare(text), values) for text, values in asked]
        sent = [(statement, statement.values(values)) for statement, values in given]
        server = self._server
        server.enter_pipeline_mode()
        for statement, values in sent:
            server.send_query_prepared(statement.name, values, statement.formats, TEXT)
        server.pipeline_sync()
        while server.flush():
            self._look(select.POLLIN | select.POLLOUT)
        rows = [self._rows(statement.reader) for statement, _ in sent]
        self._awaited()
        server.exit_pipeline_mode()
        return rows

    def _rows(self, reader: "Transformer") -> list[Any]:
        result = self._checked(self._awaited())
        reader.set_pgresult(result)
        rows = reader.load_rows(0, result.ntuples, tuple)
        # What ends the answers to one statement.
        self._awaited()
        return rows

    def _awaited(self) -> Any:
        """What the server says next. The library would hold the interpreter while it waits for that."""
        while self._server.is_busy():
            self._look(select.POLLIN)
        return self._server.get_result()

    def _look(self, events: int) -> None:
        self._poll.modify(self._server.socket, events)
        self._poll.poll()
        self._server.consume_input()

    def fetchall(self) -> list[Any]:
        """Its rows."""
        self._reader.set_pgresult(self._result)
        return self._reader.load_rows(0, self._result.ntuples, tuple)

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""
        return self._result.command_tuples or 0

    def _prepare(self, text: str) -> Statement:
        found: dict[str, str | None] = {}

        def numbered(parameter: re.Match[str]) -> str:
            name, kind = parameter.groups()
            if name is None:
                return "%"
            found.setdefault(name, kind)
            return f"${list(found).index(name) + 1}{kind or ''}"

        query = PARAMETER.sub(numbered, text).encode()
        name = b"latchkey_%d" % len(self._statements)
        types = [BYTEA if kind is None else 0 for kind in found.values()]
        self._checked(self._server.prepare(name, query, types))
        formats = [BINARY if kind in WHOLE else TEXT for kind in found.values()]
        order = [(name, kind is None) for name, kind in found.items()]
        statement = Statement(name, order, formats, psycopg.adapt.Transformer(self.connection))
        self._statements[text] = statement
        return statement

    def _checked(self, result: "PGresult") -> "PGresult":
        if result.status in self._good:
            return result
        error = psycopg.errors.error_from_result(result)
        if error.diag.sqlstate is None or self._server.status == psycopg.pq.ConnStatus.BAD:
            # It broke off, of which the server says nothing. Where a crash sent a warning first, which is read before
            # the end is met, the library still takes it for good.
            self._server.finish()
            if not isinstance(error, psycopg.OperationalError):
                raise psycopg.OperationalError(str(error)) from None
        raise error


def _written(value: Any) -> bytes | None:
    return None if value is None else str(value).encode()

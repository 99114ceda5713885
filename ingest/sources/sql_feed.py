"""Rows of an SQL database, whole or those that changed since the last run. Needs SQLAlchemy (the `sql` extra) and the
database's driver."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from ingest.document import DeadLetter, Record
from ingest.errors import FeedError
from ingest.plain_values import plain_value
from rerank.errors import MissingExtraError

try:
    import sqlalchemy as sql
    from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError
except ImportError:
    sql = None  # type: ignore[assignment]

ROWS = 1000
"""Rows fetched at once, where the driver can."""

OVERLAP_S = 300.0
WATERMARK = "watermark"
TYPES: Mapping[str, type] = {"datetime": datetime, "date": date, "decimal": Decimal}


@dataclass(frozen=True, slots=True)
class SqlQuery:
    """What to read: a table's name or a SELECT; `watermark` a column that rises when a row changes. Times are read
    again from `overlap_s` before the last one, because transactions commit in another order than they begin."""

    table: str | None = None
    select: str | None = None
    watermark: str | None = None
    overlap_s: float = OVERLAP_S


class SqlFeed:
    """Reads one statement in one transaction, ordered by the watermark.

    After a run it goes on at the last watermark, that value included: rows that share it are read again rather than
    lost. Rows whose watermark is NULL are read every time.
    """

    def __init__(self, url: str, query: SqlQuery, *, always: bool = False) -> None:
        """Read from the database at an SQLAlchemy URL; with `always` all rows every time.

        Raises:
            MissingExtraError: SQLAlchemy or the driver is not installed.
            FeedError: the URL or the query cannot be used.
        """
        if sql is None:
            raise MissingExtraError("reading a database needs SQLAlchemy; install it: pip install 'polyrank[sql]'")
        if (query.table is None) == (query.select is None):
            raise FeedError("a source with `sql` needs either `table` or `query`")
        try:
            self._engine = sql.create_engine(url)
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"the driver of the database is not installed: pip install {error.name}, or the package that has it"
            ) from error
        except NoSuchModuleError as error:
            raise MissingExtraError(f"the database, or its driver, is not known to SQLAlchemy: {error}") from error
        except SQLAlchemyError as error:
            raise FeedError(f"`sql` is no SQLAlchemy URL such as postgresql://user@host/shop: {error}") from error
        self._query = query
        self._always = always
        self._since: Any = None
        self._last: Any = None
        self._done = False

    @property
    def name(self) -> str:
        """The database without its password, and the table."""
        place = self._engine.url.render_as_string(hide_password=True)
        return f"{place} {self._query.table}" if self._query.table else place

    def progress(self) -> float:
        """Return 0 until all rows were read: a database does not say how many there will be."""
        return float(self._done)

    def resume(self, bookmark: Mapping[str, Any]) -> None:
        """Take the last run's watermark."""
        self._since = None if self._always else _read_watermark(bookmark.get(WATERMARK))

    def bookmark(self) -> dict[str, Any]:
        """Return the highest watermark that was given; rows come in its order."""
        last = self._since if self._last is None else self._last
        return {} if last is None else {WATERMARK: _write_watermark(last)}

    @property
    def whole(self) -> bool:
        """Whether all rows were asked for."""
        return self._since is None

    def entries(self) -> Iterator[Record | DeadLetter]:
        """Read row by row; a record's line is its row's place in the answer, from 1.

        Raises:
            FeedError: the database cannot be reached, or refuses the query or breaks off.
        """
        self._done, self._last = False, None
        with self._errors(), self._engine.connect() as connection:
            rows = connection.execution_options(yield_per=ROWS).execute(self._statement()).mappings()
            column = self._watermark_among(list(rows.keys()))
            for line, row in enumerate(rows, start=1):
                mark = None if column is None else row[column]
                fields = {str(name): plain_value(value) for name, value in row.items() if value is not None}
                yield Record(self.name, line, fields)
                if mark is not None:
                    self._last = mark
        self._done = True

    def _watermark_among(self, columns: Sequence[str]) -> str | None:
        """Return the watermark as the database spells it. SQLite takes a name it does not know for a text, and orders
        by that: the rows would be read from the start for ever."""
        wanted = self._query.watermark
        found = [name for name in columns if wanted and name.lower() == wanted.lower()]
        if wanted and not found:
            raise FeedError(f"{self.name} gives no column {wanted!r} for the watermark, only {', '.join(columns)}")
        return found[0] if found else None

    def _statement(self) -> Any:
        query = self._query
        origin = _table(query.table) if query.table else sql.text(f"({query.select}) polyrank_rows")
        statement = sql.select(sql.text("*")).select_from(origin)
        if not query.watermark:
            return statement
        mark: Any = sql.column(query.watermark)
        if self._since is not None:
            statement = statement.where(sql.or_(mark >= _earlier(self._since, query.overlap_s), mark.is_(None)))
        return statement.order_by(sql.case((mark.is_(None), 0), else_=1), mark)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise FeedError(f"cannot read {self.name}: {reason}; what came before it was ingested") from error


def _table(name: str) -> Any:
    """Return a table by its name or by SCHEMA.NAME."""
    schema, _, bare = name.rpartition(".")
    return sql.table(bare, schema=schema or None)


def _earlier(mark: Any, seconds: float) -> Any:
    if isinstance(mark, datetime):
        return mark - timedelta(seconds=seconds)
    if isinstance(mark, str) and len(mark) > len("2026-01-01"):
        try:
            moment = datetime.fromisoformat(mark) - timedelta(seconds=seconds)
        except ValueError:
            return mark
        return moment.isoformat(sep=mark[10])
    return mark


def _write_watermark(mark: Any) -> dict[str, Any]:
    kind = next((name for name, known in TYPES.items() if type(mark) is known), "plain")
    return {"type": kind, "value": str(mark) if kind == "decimal" else plain_value(mark)}


def _read_watermark(kept: Any) -> Any:
    try:
        kind, value = kept["type"], kept["value"]
        if kind == "plain":
            return value
        return Decimal(value) if kind == "decimal" else TYPES[kind].fromisoformat(value)  # type: ignore[attr-defined]
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import FeedError
from ingest.sources.sql_feed import SqlFeed, SqlQuery
from rerank.errors import MissingExtraError
from tests.ingest.feed_contract import PRODUCTS, FeedContract, records

CHANGED = SqlQuery(table="products", watermark="changed", overlap_s=0.0)


def database(path: Path, rows: list[dict[str, Any]], mark: Any = sql.Integer) -> str:
    url = f"sqlite:///{path / 'shop.db'}"
    engine = sql.create_engine(url)
    columns = [sql.Column("id", sql.String), sql.Column("title", sql.String), sql.Column("changed", mark)]
    table = sql.Table("products", sql.MetaData(), *columns)
    with engine.begin() as connection:
        table.drop(connection, checkfirst=True)
        table.create(connection)
        if rows:
            connection.execute(table.insert(), rows)
    engine.dispose()
    return url


class TestSqlFeed(FeedContract):
    @pytest.fixture
    def feed(self, tmp_path: Path) -> SqlFeed:
        query = "SELECT id, title FROM products WHERE title <> ''"
        return SqlFeed(database(tmp_path, PRODUCTS), SqlQuery(select=query))

    @pytest.fixture
    def empty(self, tmp_path: Path) -> SqlFeed:
        return SqlFeed(database(tmp_path, []), SqlQuery(table="products"))


def row(number: int, mark: Any) -> dict[str, Any]:
    return {"id": str(number), "title": f"Lamp {number}", "changed": mark}


@given(st.lists(st.lists(st.one_of(st.none(), st.integers(0, 3)), max_size=5), max_size=5))
@settings(max_examples=40, deadline=None)
def test_no_row_is_skipped_however_watermarks_tie(
    tmp_path_factory: pytest.TempPathFactory, runs: list[list[Any]]
) -> None:
    """Rows come with watermarks no lower than any before, as a clock gives them, or with none."""
    folder, highest = tmp_path_factory.mktemp("db"), 0
    rows: list[dict[str, Any]] = []
    bookmark: dict[str, Any] = {}
    for steps in runs:
        fresh: list[dict[str, Any]] = []
        for step in steps:
            highest += step or 0
            fresh.append(row(len(rows) + len(fresh), None if step is None else highest))
        rows += fresh
        feed = SqlFeed(database(folder, rows), CHANGED)
        feed.resume(bookmark)
        read = {record.fields["id"] for record in records(feed)}
        assert {one["id"] for one in fresh} <= read
        bookmark = feed.bookmark()


def test_only_changes_and_ties_are_read_again(tmp_path: Path) -> None:
    url = database(tmp_path, [row(1, 5), row(2, 7), row(3, 7), row(4, None)])
    first = SqlFeed(url, CHANGED)
    assert first.whole
    assert [one.fields["id"] for one in records(first)] == ["4", "1", "2", "3"]
    second = SqlFeed(url, CHANGED)
    second.resume(first.bookmark())
    assert [one.fields["id"] for one in records(second)] == ["4", "2", "3"]
    assert not second.whole
    assert second.bookmark() == first.bookmark()


def test_the_bookmark_covers_what_was_given_and_no_more(tmp_path: Path) -> None:
    feed = SqlFeed(database(tmp_path, [row(1, 5), row(2, 7)]), CHANGED)
    entries = feed.entries()
    next(entries)
    assert feed.bookmark() == {}
    next(entries)
    assert feed.bookmark() == {"watermark": {"type": "plain", "value": 5}}
    entries.close()  # type: ignore[attr-defined]


def test_times_are_read_again_from_before_the_last_one(tmp_path: Path) -> None:
    rows = [row(number, datetime(2026, 5, 1, 12, number)) for number in range(10)]
    url = database(tmp_path, rows, sql.DateTime)
    first = SqlFeed(url, SqlQuery(table="products", watermark="changed", overlap_s=180))
    records(first)
    second = SqlFeed(url, SqlQuery(table="products", watermark="changed", overlap_s=180))
    second.resume(first.bookmark())
    assert [one.fields["id"] for one in records(second)] == ["6", "7", "8", "9"]


def test_a_run_that_needs_all_rows_ignores_the_bookmark(tmp_path: Path) -> None:
    feed = SqlFeed(database(tmp_path, [row(1, 5), row(2, 7)]), CHANGED, always=True)
    feed.resume({"watermark": {"type": "plain", "value": 7}})
    assert len(records(feed)) == 2
    assert feed.whole


@pytest.mark.parametrize("bookmark", [{"watermark": 7}, {"watermark": {"type": "odd", "value": 1}}, {"other": 1}])
def test_a_bookmark_that_cannot_be_used_reads_all(tmp_path: Path, bookmark: dict[str, Any]) -> None:
    feed = SqlFeed(database(tmp_path, [row(1, 5)]), CHANGED)
    feed.resume(bookmark)
    assert len(records(feed)) == 1


def test_a_table_may_name_its_schema(tmp_path: Path) -> None:
    url = database(tmp_path, [row(1, 5)])
    assert len(records(SqlFeed(url, SqlQuery(table="main.products")))) == 1


def test_errors_name_the_database_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="no such table"):
        records(SqlFeed(f"sqlite:///{tmp_path / 'none.db'}", SqlQuery(table="absent")))
    with pytest.raises(FeedError, match="either"):
        SqlFeed("sqlite://", SqlQuery())
    with pytest.raises(FeedError, match="SQLAlchemy URL"):
        SqlFeed("not a url", SqlQuery(table="a"))


def test_a_watermark_is_found_in_any_case_and_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    url = database(tmp_path, [row(1, 5), row(2, 6)])
    feed = SqlFeed(url, SqlQuery(table="products", watermark="CHANGED"))
    assert len(records(feed)) == 2
    assert feed.bookmark()["watermark"]["value"] == 6
    # SQLite takes an unknown name in quotes for a text, and would order by that without a word.
    with pytest.raises(FeedError, match="no column 'Chnaged' for the watermark, only id, title, changed"):
        records(SqlFeed(url, SqlQuery(table="products", watermark="Chnaged")))


def test_a_missing_driver_is_named() -> None:
    with pytest.raises(MissingExtraError, match="pip install pymssql"):
        SqlFeed("mssql+pymssql://u:secret@localhost/db", SqlQuery(table="a"))

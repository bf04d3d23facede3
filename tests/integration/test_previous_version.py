"""A workspace of the previous version: its tables get the columns that `schemas/` has meanwhile, or a refusal."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest
from pyspark.sql import SparkSession

from jobs.platform import lake_schema, migrations, schemas
from jobs.platform.errors import DietzError
from jobs.platform.lake import Lake
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings
from tests.publishing import Bench, value

DAY, NEXT = date(2026, 3, 9), date(2026, 3, 10)
DAILY = "account_performance_daily"
NOTE = '  - {name: note, type: string, meaning: "What the new version says of a row."}\n'
Rewrite = Callable[[str, str, str], None]

OFFICIAL = """
    SELECT reloptions, relowner::regrole, relacl, obj_description(oid), col_description(oid, 1),
           pg_get_viewdef(oid) LIKE '%account_performance_daily%'
    FROM pg_class WHERE oid = 'marts.official_performance_daily'::regclass
"""


@pytest.fixture
def rewrite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rewrite]:
    """Change a word of a schema in a folder of the test's own, as a later version would."""
    folder = tmp_path / "schemas"
    shutil.copytree(schemas.schemas_folder(), folder)
    monkeypatch.setattr(schemas, "schemas_folder", lambda: folder)

    def change(name: str, old: str, new: str) -> None:
        path = folder / f"{name}.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        schemas.table.cache_clear()
        schemas.tables.cache_clear()

    yield change
    schemas.table.cache_clear()
    schemas.tables.cache_clear()


@pytest.fixture
def previous(spark: SparkSession, settings: Settings, database_url: str) -> Iterator[Bench]:
    """A workspace in which the present version has published a night."""
    ledger = Ledger(settings)
    with psycopg.connect(database_url, autocommit=True) as admin:
        bench = Bench(spark, settings, ledger, admin)
        lake_schema.ensure(spark, settings)
        run = bench.run(DAY)
        bench.daily(run, value("A", DAY, "100", twrr_daily=0.01))
        bench.publish(run)
        yield bench
    ledger.close()


def test_columns_added_and_widened_reach_the_lake_and_the_marts(previous: Bench, rewrite: Rewrite) -> None:
    rewrite(DAILY, "columns:\n", "columns:\n" + NOTE)
    rewrite(DAILY, "{name: days, type: integer,", "{name: days, type: long,")
    of_view = previous.marts(OFFICIAL)
    migrations.ensure(previous.settings)
    assert previous.marts(OFFICIAL) == of_view  # made anew, as the view stands on a column that is wider now
    changed = lake_schema.ensure(previous.spark, previous.settings)
    assert {f"{DAILY}: column note added", f"{DAILY}: column days widened from integer to long"} <= set(changed)
    assert lake_schema.ensure(previous.spark, previous.settings) == []

    night = previous.run(NEXT)
    previous.daily(night, value("A", NEXT, "101", note="new", days=2**40))
    # The day before once more, by a later epoch: its row of the old version goes to history.
    epoch = {"account_id": "A", "tenant_id": "acme", "epoch": 2, "from_date": NEXT}
    previous.write("account_epoch", night, [epoch])
    previous.daily(night, value("A", NEXT, "101", note="new", days=2**40, epoch=2), value("B", DAY, "7", note="late"))
    previous.publish(night)
    assert previous.marts(
        "SELECT account_id, as_of_date, end_market_value::int, note, days FROM marts.account_performance_daily"
        " ORDER BY 1, 2"
    ) == [("A", DAY, 100, None, 1), ("A", NEXT, 101, "new", 2**40), ("B", DAY, 7, "late", 1)]
    assert previous.marts(
        "SELECT col_description('marts.account_performance_daily'::regclass, attnum) FROM pg_attribute"
        " WHERE attrelid = 'marts.account_performance_daily'::regclass AND attname = 'note'"
    ) == [("What the new version says of a row.",)]


EPOCH = "account_epoch"
REFUSED = {
    "was integer and is string": [("{name: epoch, type: integer,", "{name: epoch, type: string,")],
    "is gone": [("{name: run_no,", "{name: run_number,")],
    "the key was": [("key: [tenant_id, account_id, epoch]", "key: [tenant_id, account_id]")],
    "must be nullable": [("columns:\n", "columns:\n" + NOTE.replace("type", "nullable: false, type"))],
}


@pytest.mark.parametrize("words", REFUSED)
def test_any_other_change_is_refused_and_leaves_all_as_it_was(
    spark: SparkSession, settings: Settings, rewrite: Rewrite, words: str
) -> None:
    lake = Lake(spark, settings.lake_root)
    for name in (EPOCH, "account_xref"):
        lake.write_run(lake.read(name), name, 1, "first")
    lake_schema.ensure(spark, settings)
    before = lake.version(EPOCH), lake.version("account_xref")
    rewrite("account_xref", "columns:\n", "columns:\n" + NOTE)
    for old, new in REFUSED[words]:
        rewrite(EPOCH, old, new)
    with pytest.raises(DietzError, match=words) as refused:
        lake_schema.ensure(spark, settings)
    assert f"schemas/{EPOCH}.yaml" in str(refused.value)
    assert (lake.version(EPOCH), lake.version("account_xref")) == before

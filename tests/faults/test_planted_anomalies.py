"""Every anomaly that `dietz sample --faults` plants in a book is found by its rule, and no innocent account is held."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from pyspark.sql import SparkSession

from jobs.pipeline import run_all
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings
from jobs.report.planted import Proof, prove
from tests.faults.proving import live, write_book, write_conf

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def proof(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    """300 accounts over 24 business days, the last three one by one."""
    home = tmp_path_factory.mktemp("anomalies")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_HOME", str(home))
        patch.setenv("DIETZ_DATABASE_URL", database_url)
        patch.setenv("DIETZ_CONF", str(write_conf(home, local="file_settle_seconds: 0\n")))
        settings = Settings()
    planted = write_book(home / "sample", 300, 24)
    ledger = Ledger(settings)
    live(home / "sample", settings, lambda on: run_all(spark, settings, ledger.open_run(on)))
    with psycopg.connect(database_url) as connection:
        yield prove(connection, planted)


def test_each_is_found_by_its_rule(proof: Proof) -> None:
    assert proof.missed == []
    assert proof.planted > 60


def test_no_innocent_account_is_held(proof: Proof) -> None:
    assert {one.rule: one.innocents_held for one in proof.scores if one.innocents_held} == {}
    assert proof.innocents > 200


def test_no_innocent_account_is_flagged(proof: Proof) -> None:
    assert {one.rule: one.innocents_flagged for one in proof.scores if one.innocents_flagged} == {}

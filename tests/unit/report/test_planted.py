"""What was planted beside what was found: by its rule, on its date, and of nobody else."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import psycopg
import pytest

from jobs.platform.errors import DietzError
from jobs.platform.settings import Settings
from jobs.report.planted import Proof, prove
from jobs.report.write import write_report

NIGHT = date(2026, 3, 31)
BEFORE = NIGHT - timedelta(days=1)
AT = "2026-04-01 04:12:00+00:00"
LIST = f"""tenant,vendor,account_id,as_of_date,kind,place,rule
acme,canonical,JUMP,{NIGHT},value without a flow,held_account,value_jump
acme,canonical,LATER,{NIGHT},value without a flow,held_account,value_jump
acme,canonical,LEVEL,{NIGHT},end value,reconciliation_break,end_value
acme,canonical,OTHER,{NIGHT},end value,reconciliation_break,end_value
acme,canonical,,{NIGHT},exchange rate,data_quality_result,rate_move
"""


@pytest.fixture(scope="module")
def proof(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Proof:
    """JUMP is found and held, LATER on another date only; LEVEL by a break that lasts, OTHER by another type. Of the
    innocents QUIET is fine, FLAGGED has a break and HELD was held and let through. The rate moved on another night, and
    a count that nothing was planted in is missed."""
    path = tmp_path_factory.mktemp("planted") / "list.csv"
    path.write_text(LIST, encoding="utf-8")
    with psycopg.connect(database_url) as connection:
        connection.execute("SET ROLE dietz_loader")
        for account in ("JUMP", "LATER", "LEVEL", "OTHER", "QUIET", "FLAGGED", "HELD"):
            connection.execute(
                "INSERT INTO marts.account (tenant_id, account_id, in_performance, effective_from, source_vendor,"
                " published_at) VALUES ('acme', %s, true, '1900-01-01', 'canonical', %s)",
                [account, AT],
            )
        for account, on, rule, state in (
            ("JUMP", NIGHT, "value_jump", "held"),
            ("JUMP", NIGHT, "negative_value", "flagged"),
            ("LATER", BEFORE, "value_jump", "flagged"),
            ("HELD", NIGHT, "value_jump", "released"),
        ):
            connection.execute(
                "INSERT INTO marts.held_account VALUES ('acme', %s, %s, %s, 'so', 'hold', %s, 'run', %s)",
                [account, on, rule, state, AT],
            )
        for account, type_, state in (
            ("LEVEL", "end_value", "resolved"),
            ("OTHER", "twrr_daily", "open"),
            ("FLAGGED", "end_value", "explained"),
            ("QUIET", "end_value", "not_comparable"),
        ):
            connection.execute(
                "INSERT INTO marts.reconciliation_break (tenant_id, break_id, account_id, as_of_date, through_date,"
                " source_vendor, type, state, first_seen_on, last_seen_on, reason, run_id, published_at)"
                " VALUES ('acme', %s, %s, %s, %s, 'canonical', %s, %s, %s, %s, 'so', 'run', %s)",
                [account, account, BEFORE, NIGHT, type_, state, NIGHT, NIGHT, AT],
            )
        for on, rule in ((BEFORE, "rate_move"), (NIGHT, "row_count")):
            connection.execute(
                "INSERT INTO marts.data_quality_result VALUES ('acme', 'canonical', 'canonical_fx_rates', 'fx_rate',"
                " %s, '', 'warn', false, 1, '', 1, 1, 1, 'run', %s, %s)",
                [rule, on, AT],
            )
        connection.execute("RESET ROLE")
        return prove(connection, path)


def test_found_is_what_its_own_rule_says_on_its_own_date(proof: Proof) -> None:
    counts = {one.rule: (one.planted, one.found, one.held) for one in proof.scores if one.planted}
    assert counts == {"rate_move": (1, 0, 0), "value_jump": (2, 1, 1), "end_value": (2, 1, 0)}
    assert [(row["account_id"], row["rule"]) for row in proof.missed] == [
        ("", "rate_move"), ("LATER", "value_jump"), ("OTHER", "end_value"),
    ]  # fmt: skip


def test_consequences_in_planted_accounts_count_neither_way(proof: Proof) -> None:
    elsewhere = {one.rule: (one.elsewhere, one.precision) for one in proof.scores if one.elsewhere}
    assert elsewhere == {"negative_value": (1, None), "twrr_daily": (1, None)}


def test_an_innocent_counts_against_the_rule_that_caught_it(proof: Proof) -> None:
    of = {one.rule: one for one in proof.scores}
    assert (of["value_jump"].innocents_flagged, of["value_jump"].innocents_held) == (1, 1)
    assert (of["end_value"].innocents_flagged, of["end_value"].innocents_held) == (1, 0)
    assert (of["value_jump"].precision, of["value_jump"].recall) == (0.5, 0.5)
    assert (proof.innocents, proof.innocents_flagged, proof.innocents_held) == (3, 2, 1)
    assert (of["rate_move"].innocents_flagged, of["row_count"].innocents_flagged) == (1, 1)


def test_the_report_has_a_line_a_rule_and_what_was_missed(proof: Proof, settings: Settings) -> None:
    page = write_report(settings, NIGHT, proof).read_text(encoding="utf-8")
    assert "2 of 5 planted were found by their rule" in page
    assert page.count("missed</span>") == 3
    assert "What was planted" not in write_report(settings, BEFORE).read_text(encoding="utf-8")


def test_another_file_is_refused(settings: Settings, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with psycopg.connect(database_url) as connection:
        for name, reason in (("none.csv", "no such file"), ("other.csv", "expected rows with the titles")):
            with pytest.raises(DietzError, match=reason):
                prove(connection, tmp_path / name)

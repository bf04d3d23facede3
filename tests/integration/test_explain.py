"""`dietz explain` and `dietz returns`: numbers worked by hand, each with its file and line; a changed mart is found."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
import pytest
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.pipeline import run_all, run_step
from jobs.platform.ledger import Ledger
from jobs.platform.settings import PROJECT_ROOT, Settings
from tests.golden.cases import Case, cases

NIGHT = date(2026, 3, 10)
DAILY = "marts.account_performance_daily"
FILES = {
    "acme/canonical_accounts_1.csv": """account_id,base_currency,flow_timing
plain,USD,
gap,USD,mid_day
swiss,CHF,
late,USD,
""",
    "zeta/canonical_accounts_1.csv": "account_id,base_currency\nplain,USD\n",
    "zeta/canonical_valuations_1.csv": "account_id,as_of_date,market_value\nplain,2026-03-02,7\n",
    "acme/canonical_valuations_1.csv": """account_id,as_of_date,market_value,currency
plain,2026-03-02,100,
plain,2026-03-03,115.5,
plain,2026-03-04,999,
gap,2026-03-02,1000,
gap,2026-03-10,1449.5,
swiss,2026-03-02,1000,CHF
swiss,2026-03-03,1267.89473684,EUR
late,2026-03-02,5,XTS
""",
    "acme/canonical_valuations_2.csv": "account_id,as_of_date,market_value\nplain,2026-03-04,113.19\n",
    "acme/canonical_transactions_1.csv": """transaction_id,account_id,trade_date,type,amount,currency,flow_timing,status
d1,plain,2026-03-03,DEPOSIT,5,,,new
c1,plain,2026-03-03,DEPOSIT,70,,,new
c1,plain,2026-03-03,DEPOSIT,70,,,cancel
f1,plain,2026-03-04,FEE,-1.155,,,new
g0,gap,2026-03-02,DEPOSIT,1000,,,new
g1,gap,2026-03-04,DEPOSIT,500,,,new
g2,gap,2026-03-06,WITHDRAWAL,-240,,,new
g3,gap,2026-03-07,DEPOSIT,60,,start,new
s1,swiss,2026-03-03,DEPOSIT,110,USD,,new
""",
    "acme/canonical_fx_rates_1.csv": """as_of_date,from_currency,to_currency,rate
2026-03-02,EUR,USD,1.1
2026-03-02,EUR,CHF,0.95
""",
}
WORKED = list(cases("explain"))
# What differs from one run to the next.
VOLATILE = [
    (r"run \d{4}-\d\d-\d\d-\w+", "run RUN"),
    (r"published \S+ \S+ \S+", "published NOW"),
    (r"(canonical_\w+) [0-9a-f]+, run", r"\1 MAPPING, run"),
]


@dataclass
class Night:
    """A published workspace, and the command line on it."""

    url: str
    spark: SparkSession
    settings: Settings
    ledger: Ledger

    def put(self, files: dict[str, str]) -> None:
        for name, content in files.items():
            path = self.settings.landing / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")

    def dietz(self, *words: str) -> str:
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    def error(self, *words: str) -> str:
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code != 0, done.output
        return f"{done.output}{done.exception}"

    def explain(self, account: str, day: str, *words: str) -> dict[str, Any]:
        tenant = ["--tenant", "acme"] if account == "plain" else []
        return json.loads(self.dietz("explain", account, day, *words, *tenant, "--json"))


@pytest.fixture(scope="module")
def night(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    home = tmp_path_factory.mktemp("explain")
    shutil.copytree(PROJECT_ROOT / "conf", home / "conf")
    conf = home / "conf" / "local.yaml"
    conf.write_text("file_settle_seconds: 0\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_HOME", str(home))
        patch.setenv("DIETZ_DATABASE_URL", database_url)
        patch.setenv("DIETZ_CONF", str(conf))
        settings = Settings()
        ledger = Ledger(settings)
        one = Night(database_url, spark, settings, ledger)
        one.put(FILES)
        for case in WORKED:
            one.put({f"{case.name}/{path.name}": path.read_text(encoding="utf-8") for path in case.files})
        run_all(spark, settings, ledger.open_run(NIGHT))
        yield one
        ledger.close()


def formula(found: dict[str, Any], *names: str) -> list[Any]:
    """Figures that were computed again, money without the decimals that say nothing."""
    values = [found["recomputed"].get(name) for name in names]
    return [value.rstrip("0").rstrip(".") if isinstance(value, str) and "." in value else value for value in values]


def test_an_ok_row_is_its_formula_and_each_input_has_its_file_and_line(night: Night) -> None:
    found = night.explain("plain", "2026-03-03")
    assert formula(found, "begin_market_value", "gain_loss", "weighted_capital", "status") == [
        "100",
        "10.5",
        "105",
        "ok",
    ]
    assert found["recomputed"]["twrr_daily"] == pytest.approx(0.1, abs=1e-15)
    (deposit,) = found["bookings"]  # the cancelled one is no input
    assert (deposit["transaction_id"], deposit["weight"]) == ("d1", "2/2")
    assert deposit["timing_by"] == "inflow_start_outflow_end of the tenant"
    assert deposit["row"]["file"] == "acme/canonical_transactions_1.csv"
    assert (deposit["row"]["line_no"], deposit["row"]["raw"]) == (2, "d1,plain,2026-03-03,DEPOSIT,5,,,new")
    value = found["valuation"]["row"]
    assert (value["vendor"], value["feed"], value["line_no"]) == ("canonical", "canonical_valuations", 3)
    assert value["run_id"] == found["published"]["run_id"]
    assert value["mapping_version"]
    assert found["account"]["row"]["raw"] == "plain,USD,"


def test_the_text_says_the_same(night: Night) -> None:
    text = night.dietz("explain", "plain", "2026-03-04", "--tenant", "acme", "--period", "mtd")
    for line in (
        "plain (acme) on 2026-03-04: ok",
        "B  115.5: end value of 2026-03-03 (epoch 1, run ",
        "E  113.19\n",
        "acme/canonical_valuations_2.csv line 2: plain,2026-03-04,113.19",
        "fee 2026-03-04 -1.155\n",
        "G  = E - B - NF = 113.19 - 115.5 - 0 = -2.31",
        "r  = G / C = -2.31 / 115.5 = -0.02\n",
        "gross = (G + fees) / C = -1.155 / 115.5 = -0.01\n",
        "MTD = product of 3 factors 1 + r since 2026-03-02, less 1 = 0.07",
        "    2026-03-03  1.1  gross 1.1  ok",
        "agrees with the mart",
    ):
        assert line in text
    assert "canonical_valuations_1.csv" not in text  # the superseded version is no input


@pytest.mark.parametrize("case", WORKED, ids=lambda case: case.name)
def test_a_worked_explanation(case: Case, night: Night) -> None:
    """Each folder's expected.txt, word for word: its account's last row, with the factors of the month."""
    day = case.rows("valuations")[-1]["as_of_date"]
    text = night.dietz("explain", case.name, day, "--period", "MTD")
    for pattern, word in VOLATILE:
        text = re.sub(pattern, word, text)
    assert text == (case.folder / "expected.txt").read_text(encoding="utf-8")


def test_a_gap_row_has_its_flows_weighted_by_business_days(night: Night) -> None:
    found = night.explain("gap", "2026-03-10")
    assert [(one["transaction_id"], one["weight"]) for one in found["bookings"]] == [
        ("g1", "9/12"),  # Wednesday, the 2nd of 6 business days, mid day: (6 - 2 + 1/2) / 6
        ("g2", "5/12"),
        ("g3", "4/12"),  # Saturday counts on Monday, the 5th; its own timing: start of day
    ]
    assert [one["timing_by"] for one in found["bookings"]] == ["mid_day of the account"] * 2 + ["the transaction"]
    assert formula(found, "days", "method", "gain_loss", "weighted_capital") == [6, "modified_dietz", "129.5", "1295"]
    assert found["recomputed"]["twrr_daily"] == pytest.approx(0.1, abs=1e-15)


def test_an_opening_row_says_that_no_capital_explains_it(night: Night) -> None:
    found = night.explain("plain", "2026-03-02")
    assert formula(found, "status", "gain_loss", "twrr_daily", "inception_date") == ["opening", "0", None, "2026-03-02"]
    assert found["previous"] is None


def test_foreign_amounts_show_the_rates_they_were_converted_by(night: Night) -> None:
    found = night.explain("swiss", "2026-03-03")
    (value,), (to_pivot, from_pivot) = found["valuation"]["rates"], found["bookings"][0]["rates"]
    assert (value["from"], value["to"], value["rate"], value["inverse"]) == ("EUR", "CHF", "0.95000000", False)
    assert value["as_of_date"] == "2026-03-02"  # the last known one
    assert (to_pivot["from"], to_pivot["to"], to_pivot["rate"], to_pivot["inverse"]) == (
        "EUR",
        "USD",
        "1.10000000",
        True,
    )
    assert (from_pivot["to"], from_pivot["row"]["line_no"]) == ("CHF", 3)
    assert found["bookings"][0]["value"] == "95.00000000"  # 110 / 1.1 x 0.95
    assert found["recomputed"]["twrr_daily"] == pytest.approx(0.1, abs=1e-9)


def test_a_row_without_a_rate_says_so(night: Night) -> None:
    assert "no_fx: the value, a flow or a fee has no exchange rate" in night.dietz("explain", "late", "2026-03-02")


@pytest.mark.parametrize(
    ("column", "change"),
    [("gain_loss", "gain_loss + 0.00000001"), ("twrr_daily", "twrr_daily + 2e-10"), ("twrr_ytd", "0.5")],
)
def test_a_mart_that_its_inputs_do_not_give_fails_loudly(night: Night, column: str, change: str) -> None:
    with psycopg.connect(night.url, autocommit=True) as admin:
        of_row = "WHERE (tenant_id, account_id, as_of_date) = ('acme', 'plain', '2026-03-03')"
        ((known,),) = admin.execute(f"SELECT {column} FROM {DAILY} {of_row}").fetchall()
        try:
            admin.execute(f"UPDATE {DAILY} SET {column} = {change} {of_row}")
            error = night.error("explain", "plain", "2026-03-03", "--tenant", "acme")
            assert f"the mart does not say what its inputs give: {column}: published" in error
        finally:
            admin.execute(f"UPDATE {DAILY} SET {column} = %s {of_row}", [known])


def test_an_account_of_two_tenants_an_unknown_one_and_a_day_without_a_row_are_said_plainly(night: Night) -> None:
    assert "exists in acme and zeta: say which by --tenant" in night.error("explain", "plain", "2026-03-02")
    assert "has no account 'nobody' of any tenant" in night.error("explain", "nobody", "2026-03-02")
    missing = night.error("explain", "gap", "2026-03-09")
    assert "no row of account 'gap' (acme) for 2026-03-09; the last one before it is of 2026-03-02" in missing


def test_returns_of_a_range_with_what_moved(night: Night) -> None:
    words = ["returns", "--account", "plain", "--tenant", "acme", "--from", "2026-03-02", "--to", "2026-03-31"]
    found = json.loads(night.dietz(*words, "--json"))
    assert found["twrr"] == pytest.approx(1.1 * 0.98 - 1, abs=1e-14)
    assert found["twrr_gross"] == pytest.approx(1.1 * 0.99 - 1, abs=1e-14)
    assert (found["start_date"], found["end_date"], found["twrr_annualised"]) == ("2026-03-02", "2026-03-04", None)
    money = ("begin_market_value", "net_flow", "fees", "gain_loss", "end_market_value")
    assert [float(found[name]) for name in money] == [100, 5, 1.155, 8.19, 113.19]
    text = night.dietz(*words)
    assert "from the value of 2026-03-02 to that of 2026-03-04, USD" in text
    assert "7.800000%" in text
    assert "say which by --tenant" in night.error(*words[:3], *words[5:])


def test_a_range_from_the_day_before_the_track_has_no_begin_value(night: Night) -> None:
    words = ["returns", "--account", "gap", "--from", "2026-03-01", "--to", "2026-03-10", "--json"]
    found = json.loads(night.dietz(*words))
    assert (found["status"], float(found["begin_market_value"]), float(found["net_flow"])) == ("ok", 0, 1320)
    assert found["twrr"] == pytest.approx(0.1, abs=1e-14)
    before = night.dietz("returns", "--account", "gap", "--from", "2026-02-20", "--to", "2026-03-10")
    assert "no return, insufficient_history: the account's present record does not reach back to 2026-02-20" in before


@pytest.mark.system
def test_inputs_that_are_not_published_yet_are_none_and_a_restated_row_has_its_new_file(night: Night) -> None:
    """The last test: it changes the night."""
    night.put({"acme/canonical_valuations_3.csv": "account_id,as_of_date,market_value\nplain,2026-03-04,120\n"})
    run = night.ledger.open_run(NIGHT)
    for step in ("detect", "ingest", "normalise"):
        run_step(step, night.spark, night.settings, run)
    assert night.explain("plain", "2026-03-04")["valuation"]["value"] == "113.19000000"
    night.ledger.close_run(run, "failed", {})
    run_all(night.spark, night.settings, night.ledger.open_run(NIGHT))
    found = night.explain("plain", "2026-03-04", "--period", "ITD")
    assert (found["published"]["epoch"], found["valuation"]["value"]) == (2, "120.00000000")
    assert found["valuation"]["row"]["file"] == "acme/canonical_valuations_3.csv"
    assert [one["as_of_date"] for one in found["periods"][3]["factors"]] == ["2026-03-02", "2026-03-03", "2026-03-04"]

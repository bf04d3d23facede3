"""A night with rows that do not fit, its mappings mended, and the replay: the waiting rows go through, once."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.normalise import job as normalise
from jobs.pipeline import run_all
from jobs.platform.lake import Lake
from jobs.platform.ledger import FileRecord, Ledger
from jobs.platform.mapping import mappings_folder
from jobs.platform.settings import PROJECT_ROOT, Settings
from tests.nights import Workspace

pytestmark = pytest.mark.system

NIGHT = date(2026, 3, 10)

FLOWS = """vendor: harbor
feed: harbor_flows
meaning: "Money in and out."
delivery: log
fingerprint: {required: [Ref, Account, Date, Code, Amount]}
codes:
  codes:
    title: Code
    rules:
      - {is: DEP, gives: {type: DEPOSIT}}
targets:
  - table: transaction
    columns:
      transaction_id: {title: Ref}
      account_id: {title: Account}
      trade_date: {title: Date}
      performance_date: {same_as: trade_date}
      type: {code: codes.type}
      amount: {title: Amount}
      currency: {constant: USD}
"""
VALUES = """vendor: harbor
feed: harbor_values
meaning: "Values of accounts; numbers in two styles."
delivery: upsert
fingerprint: {required: [Konto, Tag, Wert]}
reader: {delimiter: ';'}
numbers: plain
targets:
  - table: valuation
    columns:
      account_id: {title: Konto}
      as_of_date: {title: Tag}
      market_value: {title: Wert}
      currency: {constant: USD}
"""
FEES = """vendor: harbor
feed: harbor_fees
meaning: "Fees, with their total."
delivery: log
fingerprint: {required: [FeeRef, Account, Date, Fee]}
lines:
  - {kind: total, match: '^TOTAL'}
targets:
  - table: transaction
    columns:
      transaction_id: {title: FeeRef}
      account_id: {title: Account}
      trade_date: {title: Date}
      performance_date: {same_as: trade_date}
      type: {constant: FEE}
      amount: {title: Fee}
      currency: {constant: USD}
controls:
  - {name: fees_total, total_title: Fee, number: plain}
"""
MIXED = """vendor: harbor
feed: harbor_mixed
meaning: "Values and prices in one file."
delivery: upsert
fingerprint: {signature: '^HARBOR MIXED'}
reader:
  delimiter: '|'
  header: none
  titles:
    value: [kind, key, day, amount]
    price: [kind, key, day, amount]
lines:
  - {kind: preamble, match: '^HARBOR'}
  - {kind: value, match: '^V'}
targets:
  - table: valuation
    lines: value
    columns:
      account_id: {title: key}
      as_of_date: {title: day}
      market_value: {title: amount}
      currency: {constant: USD}
"""
PRICES = """
  - table: price
    lines: price
    columns:
      security_id: {title: key}
      as_of_date: {title: day}
      price: {title: amount}
      currency: {constant: USD}
"""
# Of accounts of its own: a file that is accepted with a few rows waiting.
MARKS = (
    VALUES.replace("harbor_values", "harbor_marks")
    .replace("[Konto, Tag, Wert]", "[Konto, Tag, Marke]")
    .replace("title: Wert", "title: Marke")
)
DRAFTS = {
    "harbor_flows": FLOWS, "harbor_values": VALUES, "harbor_fees": FEES, "harbor_mixed": MIXED, "harbor_marks": MARKS,
}  # fmt: skip
MENDED = {
    "harbor_flows": FLOWS.replace(
        "gives: {type: DEPOSIT}}", "gives: {type: DEPOSIT}}\n      - {is: STK, gives: {type: INTEREST}}"
    ),
    "harbor_values": VALUES.replace("numbers: plain", "numbers: european"),
    "harbor_marks": MARKS.replace("numbers: plain", "numbers: [plain, european]"),
    "harbor_fees": FEES.replace("number: plain", "number: us"),
    "harbor_mixed": MIXED.replace(
        "  - {kind: value,",
        "  - {kind: price, match: '^(P|V.IBM)'}\n  - {kind: comment, match: '^C'}\n  - {kind: value,",
    )
    + PRICES,
}

ACCOUNTS = "account_id,base_currency\nA1,USD\nA2,USD\nA3,USD\nA4,USD\nA5,USD\n"
OPENING = "account_id,as_of_date,market_value,currency\n" + "".join(
    f"{account},2026-03-0{day},{value},USD\n"
    for account, value in {"A1": 1000, "A2": 1900, "A3": 1000, "A4": 9900, "A5": 1000}.items()
    for day in (5, 6, 9)
)
EARLIER = [f"{account};2026-02-{day:02d};1000.00" for account in ("A4", "A5") for day in range(2, 12)]
# 20 good rows around 1 of an unknown code and 1 of an account that nobody knows: below the gate's tenth
FLOW_LINES = [f"R{number},A3,2026-03-09,DEP,1.00" for number in range(1, 21)]
FILES = {
    "canonical_accounts_1.csv": ACCOUNTS,
    "canonical_valuations_1.csv": OPENING,
    "flows.csv": "\n".join(
        [
            "Ref,Account,Date,Code,Amount",
            *FLOW_LINES,
            "S1,A1,2026-03-09,STK,25.00",
            "S2,A1,2026-03-09,XXX,7.00",
            "S3,A5,2026-03-10,DEP,9000.00",
            "",
        ]
    ),
    # accepted with a few rows waiting
    "marks.csv": "\n".join(["Konto;Tag;Marke", *EARLIER, "A4;2026-03-10;9.999,00", "A5;2026-03-10;10.000,00", ""]),
    # half of it does not fit, so that the gate withholds it together with its neighbour, in which all is well
    "values.csv": "Konto;Tag;Wert\nA1;2026-03-10;1050.00\nA2;2026-03-10;2.000,00\n",
    "values_too.csv": "Konto;Tag;Wert\nA3;2026-03-10;1020.00\n",
    "fees.csv": 'FeeRef,Account,Date,Fee\nF1,A2,2026-03-10,-1000.00\nF2,A2,2026-03-10,-200.00\nTOTAL,,,"-1,200.00"\n',
    "both.csv": "benchmark_id,as_of_date,level,currency,from_currency,to_currency,rate\n"
    "B,2026-03-10,1,USD,USD,CHF,0.8\n",
    "mixed.txt": "HARBOR MIXED\nV|A1|2026-03-06|1000.50\nP|SPY|2026-03-06|12.00\nV|IBM|2026-03-06|8.00\nC|closed\n",
}


def counts(file: FileRecord) -> tuple[int | None, ...]:
    return (file.records, file.silver, file.quarantined, file.skipped)


@dataclass
class Story(Workspace):
    """What stood where after each chapter."""

    url: str = ""
    listed: list[dict[str, Any]] = field(default_factory=list)
    waited: dict[str, FileRecord] = field(default_factory=dict)
    silver_before: set[tuple[Any, ...]] = field(default_factory=set)
    silver_after: set[tuple[Any, ...]] = field(default_factory=set)
    outputs: dict[str, str] = field(default_factory=dict)
    replayed: dict[str, FileRecord] = field(default_factory=dict)
    states: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)

    def silver(self) -> set[tuple[Any, ...]]:
        """(table, file, line, record, run) of every row."""
        names = {file.file_id: name for name, file in self.files.items()}
        rows: set[tuple[Any, ...]] = set()
        for table in ("transaction", "valuation", "price"):
            found = self.lake.read(table).select("file_id", "line_no", "record_no", "run_no").collect()
            every = [(table, names[row[0]], *row[1:]) for row in found]
            assert len(every) == len({one[:4] for one in every}), f"a record is in silver twice: {sorted(every)}"
            rows |= set(every)
        return rows

    def quarantine(self) -> list[tuple[Any, ...]]:
        """(file, line, record, target, state, rules) of every row, in order of writing."""
        names = {file.file_id: name for name, file in self.files.items()}
        rows = self.lake.read("quarantine").orderBy("run_no", "file_id", "line_no", "record_no").collect()
        return [
            (
                names[row["file_id"]],
                row["line_no"],
                row["record_no"],
                row["target"],
                row["state"],
                *sorted(failed["rule"] for failed in json.loads(row["failed_rules"])),
            )
            for row in rows
        ]

    def dietz(self, *words: str, fails: bool = False) -> str:
        done = CliRunner().invoke(app, list(words))
        assert (done.exit_code != 0) == fails, (done.output, done.exception)
        return done.output


def _mappings(folder: Path, own: dict[str, str]) -> Path:
    shutil.copytree(PROJECT_ROOT / "vendor_mappings", folder)
    for feed, text in own.items():
        (folder / f"{feed}.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def story(spark: SparkSession, database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A night; then the mappings are mended, and the replay is killed, done, and done again; then the next night."""
    home = tmp_path_factory.mktemp("quarantine")
    shutil.copytree(PROJECT_ROOT / "conf", home / "conf")
    (home / "conf" / "local.yaml").write_text("file_settle_seconds: 0\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIETZ_HOME", str(home))
        patch.setenv("DIETZ_DATABASE_URL", database_url)
        patch.setenv("DIETZ_CONF", str(home / "conf" / "local.yaml"))
        patch.setenv("DIETZ_MAPPINGS", str(_mappings(home / "drafts", DRAFTS)))
        settings = Settings()
        told = Story(spark, settings, Ledger(settings), Lake(spark, settings.lake_root), url=database_url)
        told.put(FILES)
        run_all(spark, settings, told.ledger.open_run(NIGHT))
        told.waited, told.silver_before = told.files, told.silver()
        told.outputs["nothing mended"] = told.dietz("quarantine", "replay")
        patch.setenv("DIETZ_MAPPINGS", str(_mappings(home / "mended", MENDED)))
        told.listed = json.loads(told.dietz("quarantine", "ls", "--json"))
        told.outputs["ls"] = told.dietz("quarantine", "ls")
        told.outputs["show"] = told.dietz("quarantine", "show", told.waited["flows.csv"].file_id)
        told.outputs["show a line"] = told.dietz("quarantine", "show", told.waited["mixed.txt"].file_id, "--line", "3")
        with pytest.MonkeyPatch.context() as kill:
            kill.setattr(normalise, "_write_quarantine", _killed)
            told.dietz("quarantine", "replay", fails=True)
        told.outputs["replay"] = told.dietz("quarantine", "replay")
        told.replayed, told.silver_after, told.states["once"] = told.files, told.silver(), told.quarantine()
        told.outputs["replay again"] = told.dietz("quarantine", "replay")
        told.outputs["replay a file"] = told.dietz("quarantine", "replay", "--file", told.files["flows.csv"].file_id)
        told.states["twice"] = told.quarantine()
        run_all(spark, settings, told.ledger.open_run(NIGHT))
        yield told


def _killed(*_: object) -> None:
    raise KeyboardInterrupt("killed between silver and quarantine")


def test_the_night_withholds_refuses_and_quarantines_as_planted(story: Story) -> None:
    assert {name: (file.status, *counts(file)) for name, file in story.waited.items() if name in FILES} == {
        "canonical_accounts_1.csv": ("accepted", 6, 5, 0, 1),
        "canonical_valuations_1.csv": ("accepted", 16, 15, 0, 1),
        "flows.csv": ("accepted", 24, 21, 2, 1),
        "marks.csv": ("accepted", 23, 20, 2, 1),
        "values.csv": ("withheld", 3, 1, 1, 1),
        "values_too.csv": ("withheld", 2, 1, 0, 1),
        "fees.csv": ("refused", 4, 0, 2, 2),
        "mixed.txt": ("withheld", 5, 1, 3, 1),
        "both.csv": ("unrecognised", None, None, None, None),
    }


def test_ls_counts_by_file_rule_and_column_and_says_what_a_replay_can_take(story: Story) -> None:
    found = {
        (Path(one["file"]).name, one["rule"], one["column"]): (
            one["rows"],
            one["first_line"],
            one["value"],
            one["replay"],
        )
        for one in story.listed
    }
    assert found == {
        ("fees.csv", "control_total", "fees_total"): (2, 2, "line 4", "mapping mended"),
        ("flows.csv", "unknown_code", "Code"): (2, 22, "STK", "mapping mended"),
        ("flows.csv", "required", "type"): (2, 22, "", "mapping mended"),
        ("values.csv", "number", "market_value"): (1, 3, "2.000,00", "mapping mended"),
        ("marks.csv", "number", "market_value"): (2, 22, "9.999,00", "mapping mended"),
        ("both.csv", "unrecognised", ""): (0, 0, "", "by the next run"),
        ("mixed.txt", "unknown_record", ""): (2, 3, "", "mapping mended"),
        ("mixed.txt", "unknown_account", "account_id"): (1, 4, "***", "mapping mended"),
    }
    assert "dietz quarantine replay" in story.outputs["ls"]
    [tied] = [one["expected"] for one in story.listed if one["rule"] == "unrecognised"]
    assert re.match("several mappings fit equally well: canonical_benchmark_levels .*canonical_fx_rates", tied)


def test_show_gives_the_text_every_reason_and_the_mapping_then_and_now(story: Story) -> None:
    then, now = story.waited["flows.csv"].mapping_version, story.replayed["flows.csv"].mapping_version
    assert then != now
    lines = story.outputs["show"].splitlines()
    assert lines[1:4] == [
        f"line 22 for transaction; mapping {then}, now {now}",
        "  S1,A1,2026-03-09,STK,25.00",
        "  - required type: expected a value",
    ] or lines[1:3] == [f"line 22 for transaction; mapping {then}, now {now}", "  S1,A1,2026-03-09,STK,25.00"]
    assert "  - unknown_code Code: 'STK' expected a word of 'codes'" in lines
    assert [line for line in story.outputs["show a line"].splitlines() if line.startswith("line ")] == [
        line for line in story.outputs["show a line"].splitlines() if line.startswith("line 3 ")
    ]


def test_a_replay_without_a_mended_mapping_does_nothing(story: Story) -> None:
    assert "nothing waits for a mended mapping" in story.outputs["nothing mended"]


def test_exactly_the_rows_that_waited_went_through_each_once_after_a_kill(story: Story) -> None:
    assert story.silver_before < story.silver_after
    came = {row[:4] for row in story.silver_after - story.silver_before}
    assert came == {
        ("transaction", "flows.csv", 22, 1),
        ("valuation", "values.csv", 3, 1),
        ("valuation", "marks.csv", 22, 1),
        ("valuation", "marks.csv", 23, 1),
        ("transaction", "fees.csv", 2, 1),
        ("transaction", "fees.csv", 3, 1),
        ("price", "mixed.txt", 3, 1),
        ("price", "mixed.txt", 4, 1),
    }


def test_a_row_in_silver_keeps_its_value_though_the_mended_mapping_would_read_another(story: Story) -> None:
    rows = story.lake.read("valuation").where(F.col("feed") == "harbor_values").orderBy("file_id", "line_no").collect()
    assert {row["account_id"]: row["market_value"] for row in rows} == {
        "A1": Decimal(1050),
        "A2": Decimal(2000),
        "A3": Decimal(1020),
    }


def test_the_books_of_every_file_stay_true(story: Story) -> None:
    assert {name: (file.status, *counts(file)) for name, file in story.replayed.items() if file.vendor == "harbor"} == {
        "flows.csv": ("accepted", 24, 22, 1, 1),
        "marks.csv": ("accepted", 23, 22, 0, 1),
        "values.csv": ("normalised", 3, 2, 0, 1),
        "values_too.csv": ("normalised", 2, 1, 0, 1),
        "fees.csv": ("normalised", 4, 2, 0, 2),
        "mixed.txt": ("normalised", 5, 3, 0, 2),
    }


def test_what_became_of_each_waiting_row_is_written_down(story: Story) -> None:
    opened = {row[:4] for row in story.states["once"] if row[4] == "open"}
    closed = {row[:4]: row[4] for row in story.states["once"] if row[4] != "open"}
    assert closed == {
        ("flows.csv", 22, 1, "transaction"): "taken",
        ("values.csv", 3, 1, "valuation"): "taken",
        ("marks.csv", 22, 1, "valuation"): "taken",
        ("marks.csv", 23, 1, "valuation"): "taken",
        ("fees.csv", 2, 1, "transaction"): "taken",
        ("fees.csv", 3, 1, "transaction"): "taken",
        ("mixed.txt", 3, 0, "valuation"): "moved",  # an unknown record is a price now
        ("mixed.txt", 4, 1, "valuation"): "moved",  # and so is what was read as a value
        ("mixed.txt", 5, 0, "valuation"): "taken",  # declared to be no record
    }
    assert opened - set(closed) == {("flows.csv", 23, 1, "transaction")}


def test_a_row_that_still_does_not_fit_is_open_once_under_the_new_mapping(story: Story) -> None:
    rows = story.lake.read("quarantine").where(
        "file_id = '{}' AND line_no = 23".format(story.files["flows.csv"].file_id)
    )
    found = [(row["state"], row["mapping_version"]) for row in rows.orderBy("run_no").collect()]
    before, after = story.waited["flows.csv"], story.replayed["flows.csv"]
    assert found == [("open", before.mapping_version), ("open", after.mapping_version)]
    assert "1 still wait" in story.outputs["replay"]
    assert "dietz run --date 2026-03-10" in story.outputs["replay"]


def test_a_replay_twice_is_a_replay_once(story: Story) -> None:
    assert "nothing waits for a mended mapping" in story.outputs["replay again"]
    assert "0 rows to silver, 1 still wait" in story.outputs["replay a file"]
    assert story.states["twice"] == story.states["once"]
    assert story.silver() == story.silver_after


def test_the_next_night_accepts_and_publishes_what_went_through(story: Story) -> None:
    assert {file.status for name, file in story.files.items() if name != "both.csv"} == {"accepted"}
    with psycopg.connect(story.url) as connection:
        performance = connection.execute(
            "SELECT account_id, as_of_date::text, end_market_value::numeric(20,2) FROM marts.account_performance_daily"
            " WHERE as_of_date = '2026-03-10' AND status = 'ok' ORDER BY 1"
        ).fetchall()
        fees = connection.execute(
            "SELECT fees::numeric(20,2) FROM marts.account_performance_daily"
            " WHERE account_id = 'A2' AND as_of_date = '2026-03-10'"
        ).fetchall()
        states = connection.execute(
            "SELECT state, count(*) FROM marts.quarantined_row GROUP BY 1 ORDER BY 1"
        ).fetchall()
    assert performance == [
        ("A1", "2026-03-10", Decimal("1050.00")),
        ("A2", "2026-03-10", Decimal("2000.00")),
        ("A3", "2026-03-10", Decimal("1020.00")),
        ("A4", "2026-03-10", Decimal("9999.00")),
        ("A5", "2026-03-10", Decimal("10000.00")),
    ]
    assert fees == [(Decimal("1200.00"),)]
    assert states == [("moved", 2), ("open", 1), ("taken", 7)]


def test_the_mappings_are_those_of_the_folder_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DIETZ_MAPPINGS", str(tmp_path))
    assert mappings_folder() == tmp_path

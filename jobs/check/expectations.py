"""The gate's dataset rules as Great Expectations suites, and their Data Docs.

Spark counts a slice once (`profile`); a suite per feed and table asserts what the counts may be. Asserted on the rows
themselves, the same suite costs six Spark jobs and a second per table; on the counts it costs milliseconds, and no
value of a client's row can reach the Data Docs. Great Expectations takes seconds to import: `preload` does it in a
thread while Spark is at work.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from jobs.check.profiles import Fact, Profile
from jobs.check.rates import Moves
from jobs.check.tolerances import Rule, Tolerances
from jobs.platform import schemas
from jobs.platform.errors import DietzError

DELIVERY = "quarantine"  # the table_name of facts on the delivery as a whole
MOVES = "fx_rate_moves"  # and of what exchange rates did since the ones before them


@dataclass(frozen=True)
class Expected:
    """One assertion: a number that was measured and the bounds that a rule sets it."""

    rule: Rule
    column: str
    says: str
    observed: float
    low: float | None
    high: float | None
    rows_checked: int
    rows_failed: int
    expected_value: str

    @property
    def name(self) -> str:
        """The column of the measured frame, and the heading in the Data Docs."""
        return f"{self.rule.name}: {self.column}" if self.column else self.rule.name


@dataclass(frozen=True)
class Slice:
    """All assertions on one feed's rows in one table."""

    tenant_id: str
    vendor: str
    feed: str
    table: str
    expected: list[Expected]

    @property
    def suite_name(self) -> str:
        return f"{self.tenant_id}.{self.feed}.{self.table}"


@dataclass(frozen=True)
class Outcome:
    """An assertion and whether Great Expectations found it to hold."""

    slice: Slice
    expected: Expected
    success: bool

    def in_words(self) -> str:
        """One line for the log, the file's message and people."""
        e = self.expected
        where = f"{self.slice.tenant_id} {self.slice.feed} {self.slice.table}"
        missed = f"not true in {e.rows_failed:,} of {e.rows_checked:,} rows" if e.rows_failed else f"is {e.observed:g}"
        return f"{where}: {e.rule.name}: {e.says}: {missed}, expected {e.expected_value}"


def table_slice(profile: Profile, tolerances: Tolerances, usual: tuple[float, int] | None, on: date) -> Slice:
    """The suite of one table's rows, from `schemas/` (the facts) and the tolerances in force for the feed.

    usual: (rows of a date, dates) of the feed's past deliveries, for row counts; NULL where there are none.
    """
    scope = {"tenant": profile.tenant_id, "vendor": profile.vendor, "feed": profile.feed, "table": profile.table}
    expected = [
        _share_or_rows(rule, fact, failed, profile.rows)
        for fact, failed in profile.failed.items()
        for rule in tolerances.in_force(fact.measure, on=on, **scope)
        if _meant(rule, fact, profile.table)
    ]
    expected += [_row_count(rule, profile, usual) for rule in tolerances.in_force("row_count", on=on, **scope)]
    return Slice(profile.tenant_id, profile.vendor, profile.feed, profile.table, expected)


def delivery_slice(
    source: tuple[str, str, str], *, records: int, quarantined: int, tolerances: Tolerances, on: date
) -> Slice:
    """The suite of a delivery as a whole, from the counts in `ops.file`; source: (tenant, vendor, feed)."""
    tenant_id, vendor, feed = source
    rules = tolerances.in_force("quarantined_share", table=DELIVERY, tenant=tenant_id, vendor=vendor, feed=feed, on=on)
    says = "the records fit and none went to quarantine"
    fact = Fact("quarantined_share", "", says)
    return Slice(
        tenant_id, vendor, feed, DELIVERY, [_share_or_rows(rule, fact, quarantined, records) for rule in rules]
    )


def rate_slice(source: tuple[str, str, str], found: Moves, tolerances: Tolerances, on: date) -> Slice:
    """The suite of what a feed's exchange rates did since the rates before; source: (tenant, vendor, feed)."""
    tenant_id, vendor, feed = source
    rules = tolerances.in_force("fx_move", table="fx_rate", tenant=tenant_id, vendor=vendor, feed=feed, on=on)
    expected = [
        Expected(
            rule,
            "rate",
            "no rate moved far since the one before it",
            found.largest,
            _float(rule.limits[0].min),
            _float(rule.limits[0].max),
            found.rates,
            found.beyond.get(rule.limits[0].max, 0) if rule.limits[0].max is not None else 0,
            rule.limits[0].in_words(),
        )
        for rule in rules
    ]
    return Slice(tenant_id, vendor, feed, MOVES, expected)


def _meant(rule: Rule, fact: Fact, table: str) -> bool:
    if fact.measure != "empty_share":
        return True
    if rule.columns:
        return fact.column in rule.columns
    return not schemas.table(table).column(fact.column).nullable


def _share_or_rows(rule: Rule, fact: Fact, failed: int, rows: int) -> Expected:
    limit = rule.limits[0]
    observed = float(failed) if limit.unit == "rows" else failed / rows if rows else 0.0
    unit = "rows" if limit.unit == "rows" else "of the rows"
    bound = f"{_number(limit.max)} {unit}" if limit.max is not None else f"any number of {unit}"
    return Expected(
        rule,
        fact.column,
        fact.says,
        observed,
        _float(limit.min),
        _float(limit.max),
        rows,
        failed,
        f"at most {bound}" if limit.min is None else f"{limit.in_words()}",
    )


def _row_count(rule: Rule, profile: Profile, usual: tuple[float, int] | None) -> Expected:
    number, dates = usual or (0.0, 0)
    says = "the date with the most rows has as many as usual"
    limit = rule.limits[0]
    if dates < rule.at_least_dates or not number:
        known = f"{dates} of {rule.at_least_dates} dates" if dates < rule.at_least_dates else "most dates have no row"
        return Expected(rule, "", says, profile.largest, 0.0, None, profile.rows, 0, f"no usual number, {known}")
    low = None if limit.min is None else float(limit.min) * number
    high = None if limit.max is None else float(limit.max) * number
    words = f"{limit.in_words()} of the usual {number:,.1f} of {dates} dates"
    return Expected(rule, "", says, profile.largest, low, high, profile.rows, 0, words)


def preload() -> threading.Thread:
    """Import Great Expectations in the background; the first `validate` waits for it."""
    thread = threading.Thread(target=_great_expectations, name="import great_expectations", daemon=True)
    thread.start()
    return thread


def _great_expectations() -> Any:
    # Before the import, which reads it: nothing is sent anywhere.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations

    return great_expectations


def validate(slices: list[Slice], run_name: str, docs: Path | None) -> list[Outcome]:
    """Run all suites, and write the Data Docs of this run into the folder `docs`.

    Raises DietzError where an expectation could not be evaluated: an error is never a pass.
    """
    gx = _great_expectations()
    context = _context(gx)
    source = context.data_sources.add_pandas("slices")
    outcomes = [one for each in slices if each.expected for one in _run(gx, context, source, each, run_name)]
    if docs is not None and outcomes:
        _build_docs(context, docs)
    return outcomes


def _context(gx: Any) -> Any:
    """A context that lives in memory, asks nobody and shows no progress bars."""
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),  # without its temporary folder for a site
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _run(gx: Any, context: Any, source: Any, each: Slice, run_name: str) -> Iterator[Outcome]:
    import pandas as pd

    suite = gx.ExpectationSuite(name=each.suite_name, expectations=[_expectation(gx, e) for e in each.expected])
    batch = source.add_dataframe_asset(each.suite_name).add_batch_definition_whole_dataframe("night")
    definition = gx.ValidationDefinition(name=each.suite_name, data=batch, suite=context.suites.add(suite))
    measured = pd.DataFrame({e.name: [e.observed] for e in each.expected})
    result = definition.run(
        batch_parameters={"dataframe": measured},
        result_format="SUMMARY",
        run_id=gx.RunIdentifier(run_name=run_name),
    )
    by_name = {e.name: e for e in each.expected}
    for one in result.results:
        expected = by_name[one.expectation_config.kwargs["column"]]
        if one.exception_info.get("raised_exception"):
            raise DietzError(f"{each.suite_name}: {expected.name}: {one.exception_info.get('exception_message')}")
        yield Outcome(each, expected, bool(one.success))


def _expectation(gx: Any, expected: Expected) -> Any:
    return gx.expectations.ExpectColumnMaxToBeBetween(
        column=expected.name,
        min_value=expected.low,
        max_value=expected.high,
        severity="critical" if expected.rule.severity == "fail" else "warning",
        description=f"{expected.says} ({expected.expected_value}; {expected.rows_checked:,} rows)",
        meta={"severity": expected.rule.severity, "reason": expected.rule.reason},
    )


def _build_docs(context: Any, docs: Path) -> None:
    shutil.rmtree(docs, ignore_errors=True)  # of an earlier attempt of the same run
    docs.mkdir(parents=True)
    context.add_data_docs_site(
        "night",
        {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False},
            # A page per suite would repeat what stands on the page of its validation.
            "site_section_builders": {
                "expectations": "none",
                "validations": {
                    "class_name": "DefaultSiteSectionBuilder",
                    "source_store_name": context.validation_results_store_name,
                },
            },
        },
    )
    context.build_data_docs()
    # Four megabytes of fonts and pictures that the pages do not use.
    shutil.rmtree(docs / "static", ignore_errors=True)


def _number(value: Decimal | None) -> str:
    return "" if value is None else f"{value:f}"


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)

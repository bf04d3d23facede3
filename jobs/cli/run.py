"""`dietz run`: one night, or a backfill."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.status import Status

from jobs.cli.options import DateOption, FromOption, TenantOption, VendorOption
from jobs.cli.step import run_for, run_one
from jobs.cli.summary import night_table
from jobs.cli.terminal import console as terminal
from jobs.pipeline import STEPS, run_all
from jobs.platform.ledger import Ledger, Run
from jobs.platform.settings import Settings
from jobs.report.alert import write_alert

STRICT_EXIT = 3


def run(  # noqa: PLR0917 typer reads the options from the signature
    business_date: DateOption,
    from_date: FromOption = None,
    only: Annotated[str | None, typer.Option("--only", metavar="STEP", help=f"One step: {', '.join(STEPS)}.")] = None,
    tenant: TenantOption = None,
    vendor: VendorOption = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit status 3 if anything was held, quarantined or broken.")
    ] = False,
) -> None:
    """Take all complete files in landing and publish every row dated up to DATE."""
    if from_date and from_date > business_date:
        raise typer.BadParameter(f"--from {from_date} is after --date {business_date}")
    if only and only not in STEPS:
        raise typer.BadParameter(f"no step '{only}'; steps are {', '.join(STEPS)}")
    settings = Settings()
    ledger = Ledger(settings)
    this = run_for(ledger, only or STEPS[0], business_date, from_date=from_date, tenant=tenant, vendor=vendor)
    steps = {only: run_one(only, settings, this)} if only else _told(settings, this)
    terminal().print(night_table([(this.business_date, steps)]))
    message = None if only else write_alert(settings, this.business_date)
    if message:
        terminal().print(message, markup=False, soft_wrap=True, end="")
    if strict and any(steps.get(step, {}).get(name, 0) for step, name in ATTENTION):
        raise typer.Exit(STRICT_EXIT)


def _told(settings: Settings, this: Run) -> dict[str, dict[str, Any]]:
    """A night whose failure is told as well; what went wrong with the night is more than what goes wrong with that."""
    try:
        return run_night(settings, this)
    except Exception:
        with suppress(Exception):
            write_alert(settings, this.business_date)
        raise


ATTENTION = [
    ("detect", "unrecognised"),
    ("detect", "refused"),
    ("normalise", "quarantined"),
    ("normalise", "refused"),
    ("check", "accounts_held"),
    ("check", "withheld"),
    ("calculate", "restatements_waiting"),
    ("reconcile", "breaks"),
]


def run_night(settings: Settings, this: Run, console: Console | None = None) -> dict[str, dict[str, Any]]:
    """All steps of a run in the shared Spark session, with a word on the terminal about each."""
    from jobs.check.expectations import preload
    from jobs.platform.spark import get_spark

    preload()  # seconds of Python, while the JVM starts
    console = console or terminal(stderr=True)
    with console.status("starting Spark") as line:
        spark = get_spark(settings)

        def watch(step: str, counters: dict[str, Any] | None) -> None:
            _show(console, line, this, step, counters)

        return run_all(spark, settings, this, watch)


def _show(console: Console, line: Status, this: Run, step: str, counters: dict[str, Any] | None) -> None:
    if counters is None:
        line.update(f"{this.business_date} {step} ...")
        return
    facts = ", ".join(f"{name} {value:,}" for name, value in counters.items() if isinstance(value, int) and value)
    console.print(f"{this.business_date} {step:<10} {counters['seconds']:>6.1f} s  {facts}")

"""`dietz demo`: sample files, a history in one run, five nights one by one, and where to look."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.run import run_night
from jobs.cli.summary import Steps, night_table
from jobs.cli.terminal import console as terminal
from jobs.platform import database
from jobs.platform.ledger import Ledger
from jobs.platform.settings import PROJECT_ROOT, Settings

LAST_NIGHT = date(2026, 3, 31)
BUSINESS_DAYS = 65
NIGHTS = 5


def demo(
    accounts: Annotated[int, typer.Option("--accounts", min=10, help="Accounts over both tenants.")] = 300,
) -> None:
    """Write sample files for two tenants, run 60 days at once and the last five one by one.

    Nights that are published already are not run again, but the last one is, to show that it publishes nothing new.
    """
    from jobs.report.write import write_report
    from jobs.sample.land import land, nights
    from jobs.sample.write import BOOK_FORMATS, write_sample

    settings, console = Settings(), terminal()
    sample = settings.folder("sample")
    days = business_days_before(LAST_NIGHT, BUSINESS_DAYS)
    if not (sample / "_expected" / "deliveries.csv").exists():
        console.print(f"writing vendor files of {accounts} accounts, {days[0]} to {days[-1]}, into {sample}")
        # The other formats would cost each night seconds and show nothing new in the marts.
        console.print(
            str(
                write_sample(
                    accounts, days[0], days[-1], 1, sample, daily_files_from=days[-NIGHTS], formats=BOOK_FORMATS
                )
            )
        )
    ledger = Ledger(settings)
    done: list[tuple[date, Steps]] = []
    for night in nights(sample):
        earlier = ledger.summary_of(night)
        if earlier and night != LAST_NIGHT:
            done.append((night, earlier))
            continue
        land(sample, settings.landing, through=night)
        this = ledger.open_run(night)
        done.append((night, run_night(settings, this)))
    page = write_report(settings, LAST_NIGHT)
    console.print()
    console.print(night_table(done))
    console.print(f"\nreport   {page}")
    console.print(f"marts    {database.url(settings)}")
    console.print('\nthree queries to try, as in: psql "$(.venv/bin/dietz db url)" -f FILE')
    for query in sorted((PROJECT_ROOT / "sql" / "examples").glob("*.sql")):
        title = query.read_text(encoding="utf-8").splitlines()[0].removeprefix("-- ")
        console.print(f"  {_short(query)}  {title}")


def business_days_before(last: date, count: int) -> list[date]:
    """The `count` weekdays up to and including `last`, oldest first."""
    days: list[date] = []
    day = last
    while len(days) < count:
        if day.weekday() < 5:
            days.append(day)
        day -= timedelta(days=1)
    return days[::-1]


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

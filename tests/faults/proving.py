"""A firm that has every rule on, and a sample with anomalies in its book that comes to it night by night."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

from jobs.platform.settings import PROJECT_ROOT, Settings
from jobs.sample.land import land, nights
from jobs.sample.write import BOOK_FORMATS, EXPECTED, write_sample

LAST = date(2026, 3, 31)
NIGHTS = 3  # that come one by one, after the history
RULES = Path(__file__).with_name("all_rules.yaml")
CEILING = "  - vendor: canonical\n    severity: warn"
# Entries for a class of accounts that ask the same of them: whatever is found is found by way of the class.
CLASSED = """
  - name: end_value
    measure: end_value_difference
    account_class: careful
    limits: [{unit: money, max: 0.05}, {unit: bps, max: 0.01}]
    severity: warn
    reason: Both say what the account is worth tonight.

  - name: cash
    measure: cash_difference
    account_class: careful
    limits: [{unit: money, max: 0.01}]
    severity: warn
    reason: Opening cash and all that was booked are the closing cash, to the cent.

account_classes:
  - {name: careful, model_id: [income, balanced], reason: Portfolios of clients who ask.}
"""


def write_conf(home: Path, *, local: str = "") -> Path:
    """A configuration below `home`: the shipped one with all rules, and no files that are let off; its local.yaml."""
    conf = home / "conf"
    shutil.copytree(PROJECT_ROOT / "conf", conf)
    shipped = (conf / "tolerances.yaml").read_text(encoding="utf-8")
    assert shipped.count(CEILING) == 1
    further = RULES.read_text(encoding="utf-8").partition("rules:\n")[2]
    every = shipped.replace(CEILING, CEILING.replace("warn", "hold")) + "\n" + further + CLASSED
    (conf / "tolerances.yaml").write_text(every, encoding="utf-8")
    if local:
        (conf / "local.yaml").write_text(local, encoding="utf-8")
    return conf / "local.yaml"


def write_book(folder: Path, accounts: int, days: int, seed: int = 1) -> Path:
    """A sample of so many business days; returns the list of what is planted in it."""
    every: list[date] = []
    day = LAST
    while len(every) < days:
        if day.weekday() < 5:
            every.append(day)
        day -= timedelta(days=1)
    write_sample(
        accounts, every[-1], LAST, seed, folder, daily_files_from=every[NIGHTS - 1], formats=BOOK_FORMATS,
        with_faults=True,
    )  # fmt: skip
    return folder / EXPECTED / "planted_anomalies.csv"


def live(sample: Path, settings: Settings, night: Callable[[date], object]) -> None:
    """Land the files of each night and run it."""
    for on in nights(sample):
        land(sample, settings.landing, through=on)
        night(on)

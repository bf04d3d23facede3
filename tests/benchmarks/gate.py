"""How well the gate and the reconciliation find what is planted in a book, and how many innocents they catch.

    python -m tests.benchmarks.gate --accounts 5000

writes a sample with anomalies (`dietz sample --faults`), runs its history at once and the last nights one by one with
every rule on (tests/faults/all_rules.yaml), and prints the table of `dietz report --planted`. `--shipped` takes the
shipped tolerances alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from datetime import date
from pathlib import Path

from jobs.cli.report import print_proof
from jobs.cli.run import run_night
from jobs.platform import database
from jobs.platform.ledger import Ledger
from jobs.platform.settings import PROJECT_ROOT, Settings
from jobs.report.planted import prove
from jobs.report.write import write_report
from tests.faults.proving import LAST, live, write_book, write_conf


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--accounts", type=int, default=5000)
    words.add_argument("--days", type=int, default=33, help="business days, the last three night by night")
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--home", type=Path, help="an empty folder to work in and to keep; else a temporary one")
    words.add_argument("--shipped", action="store_true", help="the shipped tolerances alone")
    chosen = words.parse_args()
    home = chosen.home or Path(tempfile.mkdtemp(prefix="dietz-gate-"))
    home.mkdir(parents=True, exist_ok=True)
    os.environ["DIETZ_HOME"] = str(home)
    os.environ["DIETZ_CONF"] = str(PROJECT_ROOT / "conf" / "local.yaml" if chosen.shipped else write_conf(home))
    settings = Settings()
    try:
        measure(settings, chosen.accounts, chosen.days, chosen.seed)
    finally:
        database.stop(settings)
        if chosen.home is None:
            shutil.rmtree(home, ignore_errors=True)


def measure(settings: Settings, accounts: int, days: int, seed: int) -> None:
    sample = settings.folder("sample")
    planted = write_book(sample, accounts, days, seed)
    ledger = Ledger(settings)

    def night(on: date) -> None:
        began = time.monotonic()
        run_night(settings, ledger.open_run(on))
        print(f"{on}: {time.monotonic() - began:.0f} s", flush=True)

    live(sample, settings, night)
    with database.connect(settings) as connection:
        proof = prove(connection, planted)
    print_proof(proof)
    print(write_report(settings, LAST, proof))


if __name__ == "__main__":
    main()

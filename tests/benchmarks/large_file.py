"""One large delimited file from landing to silver: python -m tests.benchmarks.large_file [--mb 400] [--cores 2]

Writes a file of account values of that size (and the accounts), takes it through detect, ingest and normalise in a
workspace of its own, and says of each step the seconds, the processor's seconds, the rate, and the most memory that
Python and the JVM held so far: Python's must not grow with the file. What came out is compared with what was written.
Everything is deleted at the end; meanwhile it takes about four times the file's size below --folder.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import yaml
from pyspark.sql import functions as F

from jobs.pipeline import run_step
from jobs.platform import database
from jobs.platform.lake import Lake
from jobs.platform.ledger import Ledger
from jobs.platform.settings import PROJECT_ROOT, Settings
from jobs.platform.spark import get_spark
from tests.benchmarks.processor import seconds_below, seconds_of
from tests.nights import STEPS, TENANT

ACCOUNTS, FIRST = 100_000, date(2026, 1, 1)
MB = 10**6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=int, default=400, help="size of the file in millions of bytes")
    parser.add_argument("--cores", type=int, default=2, help="Spark's threads; 1 shows what is not read in parallel")
    parser.add_argument("--folder", type=Path, help="where the workspace is put; default: the system's temporary one")
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="dietz-large-", dir=asked.folder))
    settings = _settings(home, asked.cores)
    try:
        began = time.perf_counter()
        path, rows, cents = _written(settings.landing / TENANT, asked.mb * MB)
        size = path.stat().st_size / MB
        print(f"{rows:,} rows, {size:,.0f} MB, written in {time.perf_counter() - began:,.0f} s", flush=True)
        database.migrate(settings)
        spark = get_spark(settings, "large file")
        ledger, lake = Ledger(settings), Lake(spark, settings.lake_root)
        run = ledger.open_run(FIRST + timedelta(days=365))
        for step in STEPS:
            used = _processor()
            done = run_step(step, spark, settings, run)
            seconds = done["seconds"]
            print(
                f"{step:<10} {seconds:8.1f} s, processor {_processor() - used:8.1f} s, {size / seconds:7.1f} MB/s,"
                f" {rows / seconds:10,.0f} rows/s; most memory: Python {_python_mb():,.0f} MB, JVM {_jvm_mb():,.0f} MB",
                flush=True,
            )
        found = lake.read("valuation").agg(F.count("*"), F.sum("market_value")).first()
        assert found is not None
        assert (found[0], int(found[1] * 100)) == (rows, cents), f"written {rows}, {cents}; found {found}"
        print("what was written is what came out")
        spark.stop()
    finally:
        database.stop(settings)
        shutil.rmtree(home, ignore_errors=True)


def _settings(home: Path, cores: int) -> Settings:
    shutil.copytree(PROJECT_ROOT / "conf", home / "conf")
    path = home / "conf" / "local.yaml"
    conf = yaml.safe_load(path.read_text(encoding="utf-8"))
    conf |= {"spark": conf["spark"] | {"master": f"local[{cores}]"}, "file_settle_seconds": 0}
    path.write_text(yaml.safe_dump(conf), encoding="utf-8")
    os.environ |= {"DIETZ_HOME": str(home), "DIETZ_CONF": str(path)}
    for name in ("DIETZ_DATABASE_URL", "DIETZ_MAPPINGS", "SPARK_MASTER"):
        os.environ.pop(name, None)
    return Settings()


def _written(landing: Path, size: int) -> tuple[Path, int, int]:
    """(the file of values, its rows, the sum of the values in cents), beside a file of the accounts."""
    landing.mkdir(parents=True)
    names = [f"L{number:07d}" for number in range(ACCOUNTS)]
    accounts = "account_id,base_currency\n" + "".join(f"{name},USD\n" for name in names)
    (landing / "canonical_accounts_1.csv").write_text(accounts, encoding="utf-8")
    path, rows, cents, day = landing / "canonical_valuations_1.csv", 0, 0, 0
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.write("account_id,as_of_date,market_value,currency,cash_value,accrued_income\n")
        while out.tell() < size:
            on = FIRST + timedelta(days=day)
            values = [10_000_000 + number * 37 + day * 1009 for number in range(ACCOUNTS)]
            out.writelines(
                f"{name},{on},{value // 100}.{value % 100:02d},USD,{number % 1000}.50,0.25\n"
                for number, (name, value) in enumerate(zip(names, values, strict=True))
            )
            rows, cents, day = rows + ACCOUNTS, cents + sum(values), day + 1
    return path, rows, cents


def _processor() -> float:
    """Processor seconds of this process and all below it, the database's aside."""
    return seconds_of(os.getpid()) + seconds_below(os.getpid())


def _python_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _jvm_mb() -> float:
    """The most memory that any JVM of the machine has held: one benchmark at a time."""
    most = 0.0
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines())
        except OSError:
            continue
        if fields["Name"].strip() == "java" and "VmHWM" in fields:
            most = max(most, int(fields["VmHWM"].split()[0]) / 1024)
    return most


if __name__ == "__main__":
    main()

"""One step of a run in a process of its own: what `spark-submit jobs/<step>/job.py` and `dietz run --only` do."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from functools import partial
from typing import Annotated, Any

import typer

from jobs.cli.options import DateOption, FromOption, TenantOption, VendorOption
from jobs.pipeline import STEPS, run_step
from jobs.platform.errors import DietzError, RetriedError
from jobs.platform.ledger import Ledger, Run
from jobs.platform.settings import Settings
from jobs.platform.turns import PAUSE, take_turn

RunIdOption = Annotated[
    str | None,
    typer.Option(
        "--run-id", help="Go on with this run, or begin it. Without: detect begins a run, other steps go on with it."
    ),
]


def submit(step: str) -> None:
    """Entry of every `jobs/<step>/job.py`: run the step as the arguments say.

    Exit status 0 done, 1 failed (one line on stderr for what somebody can mend), 2 wrong usage.
    """

    def arguments(
        business_date: DateOption,
        from_date: FromOption = None,
        tenant: TenantOption = None,
        vendor: VendorOption = None,
        run_id: RunIdOption = None,
    ) -> None:
        settings = Settings()
        ledger = Ledger(settings)
        run = run_for(ledger, step, business_date, from_date=from_date, tenant=tenant, vendor=vendor, run_id=run_id)
        typer.echo(f"{run.run_id} {step}: {run_one(step, settings, run)}")

    # A scheduler's template renders what its form leaves empty as an empty word.
    sys.argv = [word for word in sys.argv if word]
    try:
        typer.run(arguments)
    except DietzError as error:
        print(f"dietz: {error}", file=sys.stderr)
        sys.exit(1)


def run_for(
    ledger: Ledger,
    step: str,
    business_date: date,
    *,
    from_date: date | None = None,
    tenant: str | None = None,
    vendor: str | None = None,
    run_id: str | None = None,
) -> Run:
    """The run that the step belongs to: the one of `run_id`, a new one for the first step, else the one under way.

    It waits for its turn where a process is at work on another run, and where a scheduler names it also between that
    one's tasks. Raises DietzError where a later step has no run to go on with, or the turn does not come.
    """
    if run_id or step == STEPS[0]:
        begin = partial(
            ledger.open_run, business_date, from_date=from_date, tenant=tenant, vendor=vendor, run_id=run_id
        )
        # Between two tasks of a scheduler no process of its run lives; a run by hand has one from beginning to end.
        return take_turn(ledger, run_id or "", begin, pause=PAUSE if run_id else timedelta(0))
    found = ledger.latest_run(business_date, tenant=tenant, vendor=vendor)
    if found is None:
        raise DietzError(f"no run of {business_date} is under way; begin one with {STEPS[0]}, or name it by --run-id")
    return found


def run_one(step: str, settings: Settings, run: Run) -> dict[str, Any]:
    """Run the step and return its counters. The last step closes the run; a step that fails closes it as failed."""
    ledger = run.ledger
    try:
        spark = None
        if step != "detect":  # detect reads no table: it can do without the seconds that Spark needs to start
            from jobs.platform.spark import get_spark

            spark = get_spark(settings, f"dietz {step} {run.run_id}")
        done = run_step(step, spark, settings, run)
    except RetriedError:
        raise
    except BaseException:
        ledger.close_run(run, "failed", ledger.summary(run))
        raise
    if step == STEPS[-1]:
        ledger.close_run(run, "done", ledger.summary(run))
    return done

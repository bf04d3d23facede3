"""`dietz status`: how the last night went, in the words that matter at 6 a.m."""

from __future__ import annotations

import json
from typing import Any

import typer
from psycopg.rows import dict_row
from rich.table import Table

from jobs.cli.options import JsonOption
from jobs.cli.terminal import console as terminal
from jobs.platform import tenant_policy
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings
from jobs.report.read import IN_PLACE

LAST_RUN = """
SELECT run_id, business_date, from_date, tenant, vendor, status, started_at, ended_at, summary
FROM ops.run ORDER BY run_no DESC LIMIT 1"""
STEPS_OF_RUN = """
SELECT step, attempt, status, started_at, ended_at, details FROM ops.step_run WHERE run_id = %s ORDER BY started_at"""
FILES_BY_STATUS = "SELECT tenant_id, status, count(*) AS files FROM ops.file GROUP BY 1, 2 ORDER BY 1, 2"
PROGRESS = "SELECT tenant_id, calculated_through, run_no FROM ops.tenant_progress ORDER BY 1"
NIGHT = """
SELECT tenant_id, business_date, source, may_read, reason FROM marts.night_status n
WHERE business_date = (SELECT max(business_date) FROM marts.night_status m WHERE m.tenant_id = n.tenant_id)
ORDER BY tenant_id, source"""
TROUBLED = f"""
SELECT tenant_id, path, status, message FROM ops.file f
WHERE status IN ('refused', 'withheld', 'unrecognised') AND {IN_PLACE} ORDER BY arrival_no DESC LIMIT 20"""  # noqa: S608


def status(as_json: JsonOption = False) -> None:
    """Show the last run, how far each tenant is published, and what needs a person."""
    settings = Settings()
    facts = _facts(Ledger(settings), settings)
    if as_json:
        typer.echo(json.dumps(facts, default=str, indent=1))
        return
    console = terminal()
    run = facts["run"]
    if run is None:
        console.print("no run yet: put files into landing/<tenant>/ and start `dietz run --date D`")
        return
    took = f" in {(run['ended_at'] - run['started_at']).total_seconds():.0f} s" if run["ended_at"] else ""
    console.print(f"last run {run['run_id']}: business date {run['business_date']}, {run['status']}{took}")
    for step in facts["steps"]:
        seconds = (
            f"{(step['ended_at'] - step['started_at']).total_seconds():7.1f} s" if step["ended_at"] else "        "
        )
        error = f"  {step['details'].get('error', '')}" if step["status"] == "failed" else ""
        console.print(f"  {step['step']:<10} {step['status']:<8}{seconds}{error}", markup=False, soft_wrap=True)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("tenant", "published through", "files"):
        table.add_column(title)
    for tenant in sorted({row["tenant_id"] for row in facts["files"]}):
        through = next((str(p["calculated_through"]) for p in facts["progress"] if p["tenant_id"] == tenant), "nothing")
        counts = ", ".join(f"{row['files']} {row['status']}" for row in facts["files"] if row["tenant_id"] == tenant)
        table.add_row(tenant, through, counts)
    console.print(table)
    for row in facts["nights"]:
        may = "may be read" if row["may_read"] else f"may not be read: {row['reason']}"
        night = f"{row['tenant_id']} {row['source']}, night of {row['business_date']}: {may}"
        console.print(night, markup=False, soft_wrap=True)
    if facts["troubled"] or facts["settings_changed"]:
        console.print("needs a person:")
    for tenant, words in facts["settings_changed"].items():
        console.print(
            f"  settings of {tenant} changed: {'; '.join(words)}. Nothing is recalculated before somebody says from"
            f" which day on: dietz run --date D --from DAY --tenant {tenant}",
            markup=False,
            soft_wrap=True,
        )
    for file in facts["troubled"]:
        console.print(f"  {file['status']}: {file['path']}: {file['message']}", markup=False, soft_wrap=True)


def _facts(ledger: Ledger, settings: Settings) -> dict[str, Any]:
    with ledger.connection.cursor(row_factory=dict_row) as cursor:
        run = cursor.execute(LAST_RUN).fetchone()
        return {
            "run": run,
            "steps": cursor.execute(STEPS_OF_RUN, [run["run_id"]]).fetchall() if run else [],
            "progress": cursor.execute(PROGRESS).fetchall(),
            "nights": cursor.execute(NIGHT).fetchall(),
            "files": cursor.execute(FILES_BY_STATUS).fetchall(),
            "troubled": cursor.execute(TROUBLED).fetchall(),
            "settings_changed": tenant_policy.changes(ledger.connection, settings),
        }

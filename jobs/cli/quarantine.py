"""`dietz quarantine`: what waits and why, and the replay of what a mended mapping or a known account lets through."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jobs.cli.options import JsonOption, TenantOption
from jobs.cli.terminal import console as terminal
from jobs.normalise.waiting import Waiting, rows_of_file, waiting_groups
from jobs.platform.errors import DietzError
from jobs.platform.lake_files import reader
from jobs.platform.ledger import FileRecord, Ledger, Run
from jobs.platform.settings import Settings

app = typer.Typer(help="What did not fit: look at it, and take it through again.", no_args_is_help=True)

FeedOption = Annotated[str | None, typer.Option("--feed", help="Only this feed.")]
LastOption = Annotated[int, typer.Option("--last", help="How many lines; 0 for all.")]
WIDEST = 48


@app.command("ls")
def list_waiting(
    tenant: TenantOption = None, feed: FeedOption = None, last: LastOption = 50, as_json: JsonOption = False
) -> None:
    """List what waits, by file and reason: the newest first, then the most rows. Whole files come before rows."""
    settings = Settings()
    ledger = Ledger(settings)
    whole = _whole_files(ledger, tenant, feed)
    groups = waiting_groups(reader(settings), tenant, feed)
    names = {file.file_id: _name(file) for file in ledger.files_by_id([group.file_id for group in groups])}
    lines = [_line_of_file(file) for file in whole]
    lines += [asdict(group) | {"file": names.get(group.file_id, group.file_id)} for group in groups]
    shown = lines[:last] if last else lines
    if as_json:
        typer.echo(json.dumps(shown, default=str, indent=1))
        return
    if not lines:
        typer.echo("nothing waits")
        return
    _print_lines(shown)
    if len(lines) > len(shown):
        typer.echo(f"{len(lines) - len(shown)} more are not shown (--last 0 shows all)")
    if any(group.replay for group in groups):
        typer.echo("some can go through now: dietz quarantine replay")


@app.command()
def show(
    file_id: Annotated[str, typer.Argument(metavar="FILE_ID", help="The file, as `ls` names it.")],
    line: Annotated[int | None, typer.Option("--line", min=1, help="Only this line of the file.")] = None,
    last: LastOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Show the rows of a file that wait: the text as delivered, every reason, and the mapping then and now."""
    settings = Settings()
    found = Ledger(settings).files_by_id([file_id])
    if not found:
        raise DietzError(f"ops.file has no file '{file_id}'; dietz quarantine ls names those that wait")
    rows = rows_of_file(reader(settings), file_id, line)
    shown = rows[:last] if last else rows
    if as_json:
        typer.echo(json.dumps(shown, default=str, indent=1))
        return
    file, console = found[0], terminal()
    console.print(f"{_name(file)} ({file.feed or 'no feed'}), {file.status}", markup=False, soft_wrap=True)
    if file.message:
        console.print(f"  {file.message}", markup=False, soft_wrap=True)
    for row in shown:
        _print_row(console, row)
    if not rows:
        typer.echo("no row of it waits" if line is None else f"no row of line {line} waits")
    elif len(rows) > len(shown):
        typer.echo(f"{len(rows) - len(shown)} more rows are not shown (--last 0 shows all)")


@app.command()
def replay(
    tenant: TenantOption = None,
    feed: FeedOption = None,
    file_id: Annotated[
        str | None, typer.Option("--file", metavar="FILE_ID", help="All waiting rows of this file.")
    ] = None,
) -> None:
    """Take waiting rows through once more, by the mappings in force.

    Without --file: of the files whose mapping has changed since, or whose account is known by now.
    """
    settings = Settings()
    ledger = Ledger(settings)
    if file_id and not ledger.files_by_id([file_id]):
        raise DietzError(f"ops.file has no file '{file_id}'; dietz quarantine ls names those that wait")
    from jobs.normalise import mended
    from jobs.platform.lake import Lake
    from jobs.platform.spark import get_spark

    before: dict[str, FileRecord] = {}
    night = None
    with terminal(stderr=True).status("taking rows through"):
        lake = Lake(get_spark(settings, "dietz quarantine replay"), settings.lake_root)
        unfinished = [file for files in ledger.open_replays().values() for file in files]
        if unfinished:  # of a run that was killed
            before |= {file.file_id: file for file in unfinished}
            night = _normalised(settings, ledger, tenant)
        found = mended.find(lake, ledger, tenant=tenant, feed=feed, file_id=file_id)
        if found.files:
            before = {file.file_id: file for file in found.files} | before
            night = _normalised(settings, ledger, tenant, found.begin)
    for file, reason in found.unfit:
        typer.echo(f"{_name(file)}: the mapping does not fit the file: {reason}")
    if night is None:
        typer.echo("nothing waits for a mended mapping or for an account that is known by now")
        return
    _print_outcome(settings, before, ledger.files_by_id(list(before)))
    typer.echo(f"to publish it: dietz run --date {night}")


def _normalised(
    settings: Settings, ledger: Ledger, tenant: str | None, begin: Callable[[Run], None] | None = None
) -> date:
    """A run of its own, of the last night's date, that takes the replays through which are begun; returns the date."""
    from jobs.pipeline import run_step
    from jobs.platform.spark import get_spark
    from jobs.platform.turns import alive, take_turn

    row = ledger.connection.execute("SELECT business_date FROM ops.run ORDER BY run_no DESC LIMIT 1").fetchone()
    assert row is not None  # what waits was brought by a run
    name = f"replay-{row[0]}-{secrets.token_hex(4)}"
    at_once = timedelta(seconds=0)
    run = take_turn(ledger, name, lambda: ledger.open_run(row[0], tenant=tenant, run_id=name), patience=at_once)
    try:
        with alive(run):
            if begin:
                begin(run)
            done = run_step("normalise", get_spark(settings), settings, run)
    except BaseException:
        ledger.close_run(run, "failed", ledger.summary(run))
        raise
    ledger.close_run(run, "done", {"normalise": done})
    return run.business_date


def _print_outcome(settings: Settings, before: dict[str, FileRecord], after: list[FileRecord]) -> None:
    for file in after:
        old = before[file.file_id]
        silver, skipped = (file.silver or 0) - (old.silver or 0), (file.skipped or 0) - (old.skipped or 0)
        words = [f"{silver:,} rows to silver"]
        words += [f"{skipped:,} skipped as declared"] if skipped else []
        words += [f"{file.quarantined:,} still wait"] if file.quarantined else []
        typer.echo(f"{_name(file)}: {', '.join(words)}")
    still = [group for group in waiting_groups(reader(settings)) if group.file_id in before]
    if still:
        names = {file.file_id: _name(file) for file in after}
        _print_lines([asdict(group) | {"file": names[group.file_id]} for group in still[:50]])


def _whole_files(ledger: Ledger, tenant: str | None, feed: str | None) -> list[FileRecord]:
    """Files that no row was made of: unrecognised, or refused before their lines were read. The newest first."""
    waiting = [
        one
        for one in ledger.files(status=["unrecognised", "refused"])
        if one.records is None and tenant in (None, one.tenant_id) and feed in (None, one.feed)
    ]
    newest = {name: ledger.seen_paths(name) for name in {one.tenant_id for one in waiting}}
    return [
        one
        for one in reversed(waiting)
        if newest[one.tenant_id][one.path, one.member] == (one.size_bytes, one.modified_at)
    ]


def _line_of_file(file: FileRecord) -> dict[str, Any]:
    from jobs.detect.job import mappings_fingerprint

    again = "by the next run" if file.detection.get("mappings") not in (None, mappings_fingerprint()) else ""
    about = Waiting(
        tenant_id=file.tenant_id,
        file_id=file.file_id,
        feed=file.feed or "",
        rule=file.status,
        column="",
        rows=0,
        first_line=0,
        value="",
        expected=file.message or "",
        replay=again,
        run_no=file.run_no or 0,
    )
    return asdict(about) | {"file": _name(file)}


def _print_lines(lines: list[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("file", "name", "feed", "rule", "column"):
        table.add_column(title, overflow="fold")
    for title in ("rows", "line"):
        table.add_column(title, justify="right")
    for title in ("value", "expected", "replay"):
        table.add_column(title, overflow="fold")
    for line in lines:
        cells = [line["file_id"], line["file"], line["feed"], line["rule"], line["column"]]
        numbers = [f"{line[name]:,}" if line[name] else "" for name in ("rows", "first_line")]
        value = line["value"] if len(line["value"]) <= WIDEST else line["value"][: WIDEST - 1] + "…"
        table.add_row(*[escape(word) for word in [*cells, *numbers, value, line["expected"], line["replay"]]])
    terminal().print(table)


def _print_row(console: Console, row: dict[str, Any]) -> None:
    record = f", record {row['record_no']}" if row["record_no"] > 1 else ""
    now = row["mapping_now"] or "none"
    mapping = f"mapping {row['mapping_version']}" + (f", now {now}" if now != row["mapping_version"] else "")
    console.print(f"line {row['line_no']}{record} for {row['target']}; {mapping}", markup=False, soft_wrap=True)
    console.print(f"  {row['raw']}", markup=False, soft_wrap=True)
    for failed in row["failed_rules"]:
        column, value = failed.get("column", ""), failed.get("value")
        found = "" if value is None or value == row["raw"] else f" '{value}'"
        words = f"{failed['rule']}{f' {column}' if column else ''}:{found} expected {failed['expected']}"
        console.print(f"  - {words}", markup=False, soft_wrap=True)


def _name(file: FileRecord) -> str:
    return file.path + (f" / {file.member}" if file.member else "")

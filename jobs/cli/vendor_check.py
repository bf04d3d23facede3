"""`dietz vendor check`: what a run would make of a file, before anything is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from jobs.cli.options import JsonOption, TenantOption
from jobs.cli.terminal import console as terminal
from jobs.detect import landing
from jobs.normalise.waiting import shown
from jobs.platform.errors import DietzError
from jobs.platform.logs import configure
from jobs.platform.mapping import Mapping, load_mappings
from jobs.platform.settings import Settings
from jobs.platform.yaml_model import load_yaml


def check(
    file: Annotated[Path, typer.Argument(help="The vendor's file.")],
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="Also this mapping, in place of a shipped one of the same feed.")
    ] = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a file through the steps of a run without keeping anything: the answers are the real run's.

    Accounts are looked up among the tenant's (given, or the only one in landing). With --json every record is listed.
    """
    from jobs.platform.spark import get_spark
    from jobs.vendor.check import checked

    settings, console = Settings(), terminal()
    configure(settings)
    mappings = dict(load_mappings())
    if mapping is not None:
        own = load_yaml(mapping, Mapping)
        mappings[own.feed] = own
    with checked(get_spark(settings), settings, file, _tenant(settings, tenant), mappings, rows=as_json) as found:
        if as_json:
            typer.echo(json.dumps([_facts(one) for one in found], default=str, indent=1))
            return
        for one in found:
            print_answer(console, one)


def _tenant(settings: Settings, wanted: str | None) -> str:
    tenants = landing.tenants(settings.landing)
    if wanted is None and len(tenants) > 1:
        raise DietzError(f"whose file is it? --tenant, one of {', '.join(tenants)}")
    return wanted or (tenants[0] if tenants else "nobody")


def _facts(one: Any) -> dict[str, Any]:
    books = one.books
    return {
        "member": one.file.member,
        "status": "refused" if any(result.refuses for result in one.broken) else one.file.status,
        "feed": one.file.feed,
        "message": one.file.message,
        "detection": one.file.detection,
        "lines": dict(books.kinds) if books else {},
        "records": books.records if books else None,
        "silver": books.silver if books else None,
        "quarantined": books.quarantined if books else None,
        "skipped": books.skipped if books else None,
        "controls_met": one.held_controls if books else [],
        "controls_broken": [
            {"control": result.control, "line_no": result.line_no, "message": result.message, "refuses": result.refuses}
            for result in one.broken
        ],
        "rows": one.rows,
    }


def print_answer(console: Console, one: Any) -> None:
    """What would become of a file, for people: its candidates, lines, records, controls, misfits and some records."""
    name = f"{Path(one.file.path).name}{' / ' + one.file.member if one.file.member else ''}"
    console.print(f"[bold]{name}[/bold]")
    for candidate in (one.file.detection or {}).get("candidates", []):
        if candidate["score"]:
            reasons = "; ".join(candidate["reasons"])
            console.print(f"  {candidate['feed']}, {candidate['score']} of 100: {reasons}", markup=False)
    if one.file.message:
        console.print(f"  {one.file.status}: {one.file.message}", markup=False)
    if one.books is None:
        return
    books = one.books
    for title in one.file.detection["drift"]:
        console.print(f"  title unknown to the mapping: {title}", markup=False)
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in books.kinds.most_common())
    console.print(f"  lines    {sum(books.kinds.values()):,}: {kinds}", markup=False)
    counts = f"{books.silver:,} silver + {books.quarantined:,} quarantined + {books.skipped:,} skipped"
    console.print(f"  records  {books.records:,} = {counts}")
    if one.held_controls:
        console.print(f"  controls met: {', '.join(one.held_controls)}")
    for result in one.broken:
        word = "file refused" if result.refuses else "warning"
        console.print(f"  control {result.control}, line {result.line_no}: {result.message} ({word})", markup=False)
    for reason in one.reasons:
        where = f"{reason['rule']}{' of ' + reason['column'] if reason['column'] else ''}"
        value = shown(reason["rule"], reason["column"], reason["value"] or "")
        console.print(
            f"  {reason['rows']:,} quarantined for {where}: line {reason['line_no']} has '{value}',"
            f" expected {reason['expected']}",
            markup=False,
        )
    for example in one.examples:
        console.print(f"  line {example['line_no']}  {example['raw']}", markup=False, style="dim")
        values = ", ".join(f"{column} {value}" for column, value in example["row"].items())
        console.print(f"    -> {example['table']}: {values}", markup=False)

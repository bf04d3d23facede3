"""`dietz vendor`: what a file of a vendor is, and a first mapping for one that nobody has mapped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from jobs.cli.options import JsonOption
from jobs.cli.terminal import console
from jobs.cli.vendor_check import check
from jobs.platform.settings import Settings

app = typer.Typer(help="Vendors' files: which feed is it, a first mapping for a new one.", no_args_is_help=True)

app.command()(check)

FileArgument = Annotated[
    Path,
    typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="A file as the vendor sent it."),
]


@app.command()
def detect(file: FileArgument, as_json: JsonOption = False) -> None:
    """Say which feed a file is and why, or which feeds it resembles; nothing is entered anywhere."""
    from jobs.detect.job import look

    found = [
        {
            "member": one.member,
            "status": one.status,
            "feed": one.feed,
            "vendor": one.vendor,
            "business_date": one.business_date,
            "lines": one.lines,
            "message": one.message,
            "candidates": (one.detection or {}).get("candidates", []),
            "header_line": (one.detection or {}).get("header_line"),
            "drift": (one.detection or {}).get("drift", []),
            "context": (one.detection or {}).get("context", {}),
        }
        for one in look(Settings(), file)
    ]
    if as_json:
        typer.echo(json.dumps(found, default=str, indent=1))
        return
    for one in found:
        _show(file, one)


def _show(file: Path, one: dict[str, Any]) -> None:
    name = file.name + (f" / {one['member']}" if one["member"] else "")
    typer.echo(
        f"{name}: {one['feed'] or one['status']}" + (f" of {one['business_date']}" if one["business_date"] else "")
    )
    if one["message"]:
        typer.echo(f"  {one['message']}")
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 2))
    table.add_column("candidate", no_wrap=True)
    table.add_column("score", justify="right")
    table.add_column("reasons", overflow="fold")
    fitting = [candidate for candidate in one["candidates"] if candidate["score"]]
    for candidate in fitting:
        table.add_row(candidate["feed"], str(candidate["score"]), "; ".join(candidate["reasons"]))
    if fitting:
        console().print(table)
    if one["drift"]:
        typer.echo(f"  titles that the mapping does not know: {', '.join(one['drift'])}")
    for key, value in one["context"].items():
        typer.echo(f"  {key}: {value}")


@app.command()
def draft(
    file: FileArgument,
    vendor: Annotated[str | None, typer.Option("--vendor", help="Who delivers it, such as brokerage.")] = None,
    feed: Annotated[str | None, typer.Option("--feed", help="Name of the feed, such as brokerage_positions.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="File to write; without it the draft is printed.")] = None,
) -> None:
    """Write a first mapping for a file: what it shows, with reasons; what it does not show is a TODO."""
    from jobs.detect.job import look
    from jobs.vendor.write import drafts, place

    written = list(drafts(file, vendor, feed))
    to_people = Console(stderr=True, highlight=False, soft_wrap=True)
    for known in look(Settings(), file):
        if known.feed:
            to_people.print(f"{file.name} is recognised already, as {known.feed}: both would fit", markup=False)
    for one in written:
        if out is None:
            typer.echo(("---\n" if one is not written[0] else "") + one.text, nl=False)
        else:
            path = place(out, one.member, len(written))
            path.write_text(one.text, encoding="utf-8")
            to_people.print(f"{path} written", markup=False)
        of = f"{file.name} / {one.member}" if one.member else file.name
        to_people.print(f"{of}: {one.still_open} places are to be decided (TODO)", markup=False)

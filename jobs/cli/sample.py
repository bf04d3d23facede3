"""`dietz sample`: vendor files to try things with."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.cli.options import parse_date


def sample(
    *,
    accounts: Annotated[int, typer.Option("--accounts", min=1, help="How many accounts.")],
    start: Annotated[date, typer.Option("--from", parser=parse_date, metavar="DATE", help="First business date.")],
    end: Annotated[date, typer.Option("--to", parser=parse_date, metavar="DATE", help="Last business date.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write to; its folders are tenants.")],
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same bytes.")] = 1,
    formats: Annotated[str, typer.Option("--formats", metavar="A,B", help="Only these formats.")] = "",
    faults: Annotated[bool, typer.Option("--faults", help="Plant faults of each kind, and list them.")] = False,
    nights: Annotated[
        int | None, typer.Option("--nights", min=0, help="Days at the end that come one by one; with --faults 3.")
    ] = None,
) -> None:
    """Write vendor files in every supported format, with the expected results beside them.

    The accounts come as canonical files, those of a brokerage and the ECB's rates; a tenant of a few accounts more,
    harbor_trust, is described by every format, so that any feed can be reconciled with any other.
    """
    from jobs.sample.write import FORMATS, business_days, write_sample

    nights = (3 if faults else 0) if nights is None else nights
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with console.status("writing") as line:
        wanted = [one.strip() for one in formats.split(",") if one.strip()] or FORMATS
        one_by_one = business_days(start, end)[-nights:] if nights else []
        summary = write_sample(
            accounts, start, end, seed, out, formats=wanted, with_faults=faults,
            daily_files_from=one_by_one[0] if one_by_one else None,
            progress=lambda word: line.update(f"writing {word}"),
        )  # fmt: skip
    typer.echo(str(summary))

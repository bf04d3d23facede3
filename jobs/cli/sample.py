"""`dietz sample`: vendor files to try things with."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from jobs.cli.options import parse_date


def sample(
    accounts: Annotated[int, typer.Option("--accounts", min=1, help="How many accounts.")],
    start: Annotated[date, typer.Option("--from", parser=parse_date, metavar="DATE", help="First business date.")],
    end: Annotated[date, typer.Option("--to", parser=parse_date, metavar="DATE", help="Last business date.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write to; its folders are tenants.")],
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same bytes.")] = 1,
) -> None:
    """Write vendor files in every supported format, with the expected results beside them."""
    from jobs.sample.write import write_sample

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with console.status("writing") as line:
        summary = write_sample(accounts, start, end, seed, out, progress=lambda word: line.update(f"writing {word}"))
    typer.echo(str(summary))

"""`dietz sample`: vendor files to try things with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs.cli.options import parse_date


def sample(
    accounts: Annotated[int, typer.Option("--accounts", min=1, help="How many accounts.")],
    start: Annotated[object, typer.Option("--from", parser=parse_date, metavar="DATE", help="First business date.")],
    end: Annotated[object, typer.Option("--to", parser=parse_date, metavar="DATE", help="Last business date.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write to; its folders are tenants.")],
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same bytes.")] = 1,
) -> None:
    """Write vendor files in every supported format, with the expected results beside them."""
    from jobs.sample.write import write_sample

    typer.echo(str(write_sample(accounts, start, end, seed, out)))

"""Options that several verbs share, read the same way everywhere."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer


def parse_date(text: str) -> date:
    """An ISO date, or wrong usage (exit status 2) that names the value."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"'{text}' is no date as YYYY-MM-DD ({error})") from error


DateOption = Annotated[
    date, typer.Option("--date", parser=parse_date, metavar="DATE", help="Business date, YYYY-MM-DD.")
]
FromOption = Annotated[
    date | None,
    typer.Option("--from", parser=parse_date, metavar="DATE", help="Recalculate from this date on (a backfill)."),
]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="Only this tenant (a folder in landing).")]
VendorOption = Annotated[str | None, typer.Option("--vendor", help="Only this vendor's files.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

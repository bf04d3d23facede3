"""`dietz report`: the HTML page of a night."""

from __future__ import annotations

import typer

from jobs.cli.options import DateOption
from jobs.platform.settings import Settings


def report(business_date: DateOption) -> None:
    """Write the report of a business date and print its path."""
    from jobs.report.write import write_report

    typer.echo(str(write_report(Settings(), business_date)))

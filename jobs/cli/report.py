"""`dietz report`: the HTML page of a night."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from jobs.cli.options import DateOption
from jobs.cli.terminal import console
from jobs.platform import database
from jobs.platform.settings import Settings

if TYPE_CHECKING:
    from jobs.report.planted import Proof

PlantedOption = Annotated[
    Path | None,
    typer.Option("--planted", metavar="FILE", help="What dietz sample --faults planted: say how well it was found."),
]


def report(business_date: DateOption, planted: PlantedOption = None) -> None:
    """Write the report of a business date and print its path."""
    from jobs.report.planted import prove
    from jobs.report.write import write_report

    settings, proof = Settings(), None
    if planted is not None:
        with database.connect(settings) as connection:
            proof = prove(connection, planted)
        print_proof(proof)
    typer.echo(str(write_report(settings, business_date, proof)))


def print_proof(proof: Proof) -> None:
    """The table of what was planted and found, a line a rule, and what was missed."""
    from jobs.report.planted import PLACES
    from jobs.report.words import number, share

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("rule", no_wrap=True)
    table.add_column("about")
    for title in ("planted", "found", "held", "elsewhere", "innocents", "held", "precision", "recall"):
        table.add_column(title, justify="right")
    for one in proof.scores:
        counts = (one.planted, one.found, one.held, one.elsewhere, one.innocents_flagged, one.innocents_held)
        table.add_row(one.rule, PLACES[one.place], *map(number, counts), share(one.precision), share(one.recall))
    out = console()
    out.print(table)
    for row in proof.missed:
        out.print(f"missed: {row['kind']} of {row['account_id']} on {row['as_of_date']}, rule {row['rule']}")
    out.print(proof.in_words)

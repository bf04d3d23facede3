"""The command line `dietz`: what operators type. Every verb here works; what is not built has no verb."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from jobs.cli import (
    account_master,
    alert,
    breaks,
    closing,
    db,
    demo,
    explain,
    files,
    holds,
    quarantine,
    restatements,
    returns,
    risk,
    run,
    sample,
    status,
    vendor,
)
from jobs.cli import report as report_verb
from jobs.platform.errors import DietzError

app = typer.Typer(
    name="dietz",
    help="Vendor files in, reconciled time-weighted returns out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run.run)
app.command("status")(status.status)
app.command("files")(files.files)
app.command("returns")(returns.returns)
app.command("explain")(explain.explain)
app.command("report")(report_verb.report)
app.command("alert")(alert.alert)
app.command("close")(closing.close)
app.command("reopen")(closing.reopen)
app.command("risk")(risk.risk)
app.command("sample")(sample.sample)
app.command("demo")(demo.demo)
app.add_typer(vendor.app, name="vendor")
app.add_typer(account_master.app, name="accounts")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(restatements.app, name="restatements")
app.add_typer(holds.app, name="holds")
app.add_typer(breaks.app, name="breaks")
app.add_typer(db.app, name="db")


def _version(wanted: bool) -> None:
    if wanted:
        from jobs.platform.ledger import code_version

        typer.echo(f"dietz {code_version()}")
        raise typer.Exit


@app.callback()
def main_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Vendor files in, reconciled time-weighted returns out."""


def main() -> None:
    """Run the command line; an error that somebody can mend is one clear line and exit status 1."""
    try:
        app()
    except DietzError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"dietz: {error}", style="red", markup=False)
        sys.exit(1)

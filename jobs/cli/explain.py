"""`dietz explain`: one published row as its formula with its numbers, and the file and line of each."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from jobs.cli.accounts import tenant_of
from jobs.cli.options import JsonOption, TenantOption, parse_date
from jobs.cli.terminal import as_json as json_text
from jobs.cli.terminal import console as terminal
from jobs.explain.account_row import explained
from jobs.explain.linking import PERIODS, TRAILING
from jobs.explain.told import as_dict, as_lines, shown
from jobs.platform.errors import DietzError
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings


def parse_period(text: str) -> str:
    """A period by its name, or wrong usage."""
    if text.upper() not in PERIODS:
        raise typer.BadParameter(f"'{text}' is none of {', '.join(PERIODS)}")
    return text.upper()


def explain(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account.")],
    day: Annotated[date, typer.Argument(parser=parse_date, metavar="DATE", help="Date of the row, YYYY-MM-DD.")],
    period: Annotated[
        str | None,
        typer.Option(
            "--period", parser=parse_period, metavar="PERIOD", help=f"List the rows it links: {', '.join(PERIODS)}."
        ),
    ] = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Trace one published row back to its files, and compute it again: exit status 1 where the mart says otherwise."""
    settings = Settings()
    ledger = Ledger(settings)
    periods = [name for name in PERIODS if name not in TRAILING or name == period]
    found = explained(
        settings, ledger, tenant_of(ledger.connection, account, tenant), account, day=day, periods=periods
    )
    if as_json:
        typer.echo(json_text(as_dict(found, period)))
    else:
        console = terminal()
        for line in as_lines(found, period):
            console.print(line, markup=False, soft_wrap=True)
    if found.differences:
        words = "; ".join(
            f"{one.column}: published {shown(one.published)}, from its inputs {shown(one.recomputed)}"
            for one in found.differences
        )
        raise DietzError(f"{account} on {day}: the mart does not say what its inputs give: {words}")

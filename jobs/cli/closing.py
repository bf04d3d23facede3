"""`dietz close` and `dietz reopen`: which figures of a tenant are official, by the login of the connection."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import psycopg
import typer

from jobs.cli.options import parse_date
from jobs.cli.restatements import enter
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings

TenantOption = Annotated[str, typer.Option("--tenant", help="The tenant (a folder in landing).")]
ThroughOption = Annotated[
    date, typer.Option("--through", parser=parse_date, metavar="DATE", help="Last date of the period, YYYY-MM-DD.")
]


def close(
    tenant: TenantOption,
    through: ThroughOption,
    why: Annotated[str, typer.Option("--why", help="A reason, which is recorded.")] = "",
) -> None:
    """Make what is published up to a date the official figures: later corrections change the current ones only."""
    connection = Ledger(Settings()).connection
    waiting = connection.execute(
        "SELECT count(*) FROM marts.restatement WHERE tenant_id = %s AND state IN ('waiting', 'approved')"
        " AND from_date <= %s",
        [tenant, through],
    ).fetchone()
    login = _enter(connection, "close", tenant, through, why)
    typer.echo(f"{tenant} is closed through {through} by {login}")
    if waiting and waiting[0]:
        typer.echo(f"{waiting[0]} restatements of the period wait: they will change the current figures only")


def reopen(
    tenant: TenantOption,
    through: ThroughOption,
    why: Annotated[str, typer.Option("--why", help="The reason, which is recorded.")],
) -> None:
    """Open the period that was closed last again; another login than the one that closed it must do so."""
    login = _enter(Ledger(Settings()).connection, "reopen", tenant, through, why)
    typer.echo(f"the period of {tenant} through {through} is open again, by {login}")


def _enter(connection: psycopg.Connection, event: str, tenant: str, through: date, why: str) -> str:
    statement = (
        "INSERT INTO marts.period_closing (tenant_id, event, through_date, why) VALUES (%s, %s, %s, %s) RETURNING login"
    )
    return str(enter(connection, statement, [tenant, event, through, why])[0])

"""`dietz holds`: which accounts are kept back and why, and letting one through."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from psycopg.rows import dict_row
from rich.markup import escape
from rich.table import Table

from jobs.check import releases
from jobs.cli.options import JsonOption, TenantOption
from jobs.cli.terminal import as_json as in_json
from jobs.cli.terminal import console
from jobs.platform.errors import DietzError
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings

app = typer.Typer(help="Accounts that are kept back from publication.", no_args_is_help=True)

HELD = """
SELECT h.tenant_id, h.account_id, min(h.as_of_date) AS held_from, array_agg(DISTINCT h.rule) AS rules,
       array_to_string((array_agg(h.reason ORDER BY h.as_of_date, h.rule DESC))[1:3], '; ') AS reason,
       (SELECT max(d.as_of_date) FROM marts.account_performance_daily d
        WHERE d.tenant_id = h.tenant_id AND d.account_id = h.account_id) AS published_through,
       (SELECT r.released_by || ': ' || r.why FROM ops.hold_release r
        WHERE r.tenant_id = h.tenant_id AND r.account_id = h.account_id AND r.run_no IS NULL
        ORDER BY r.released_at DESC LIMIT 1) AS released
FROM marts.held_account h
WHERE h.state = 'held' AND (%(tenant)s::text IS NULL OR h.tenant_id = %(tenant)s)
AND (%(account)s::text IS NULL OR h.account_id = %(account)s)
GROUP BY h.tenant_id, h.account_id ORDER BY held_from, h.tenant_id, h.account_id"""


@app.command("ls")
def list_held(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """List the accounts that are kept back: since when, why, and what is published of them."""
    found = _held(Ledger(Settings()), tenant)
    if as_json:
        typer.echo(in_json(found))
        return
    if not found:
        typer.echo("no account is held")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("tenant", "account", "held from", "published through", "why"):
        table.add_column(title, overflow="fold")
    for row in found:
        why = row["reason"] + (f" (released by {row['released']}: the next run)" if row["released"] else "")
        dates = [str(row["held_from"]), str(row["published_through"] or "nothing")]
        table.add_row(escape(row["tenant_id"]), escape(row["account_id"]), *dates, escape(why))
    console().print(table)


@app.command()
def release(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The held account.")],
    why: Annotated[str, typer.Option("--why", help="The reason, for the record.")],
    tenant: TenantOption = None,
) -> None:
    """Let an account through: the next run publishes all its days that were kept back."""
    if not why.strip():
        raise typer.BadParameter("--why needs a reason")
    ledger = Ledger(Settings())
    found = _held(ledger, tenant, account)
    if not found:
        raise DietzError(f"account '{account}' is not held" + (f" at tenant '{tenant}'" if tenant else ""))
    if len(found) > 1:
        names = " and ".join(row["tenant_id"] for row in found)
        raise DietzError(f"account '{account}' is held at {names}: say which by --tenant")
    [held] = found
    if held["released"]:
        raise DietzError(f"account '{account}' is released already, by {held['released']}: the next run publishes it")
    releases.record(ledger.connection, held["tenant_id"], account, why.strip())
    typer.echo(f"{account} of {held['tenant_id']} is released: the next run publishes it from {held['held_from']} on")


def _held(ledger: Ledger, tenant: str | None, account: str | None = None) -> list[dict[str, Any]]:
    with ledger.connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(HELD, {"tenant": tenant, "account": account}).fetchall()

"""`dietz restatements`: what was restated, why, by how much, what waits; and the approval of what waits."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import psycopg
import typer
from psycopg.rows import dict_row

from jobs.cli.options import JsonOption, TenantOption, parse_date
from jobs.cli.terminal import as_json as json_text
from jobs.cli.terminal import console as terminal
from jobs.platform.errors import DietzError
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings

app = typer.Typer(
    help="Figures that were published once and came out otherwise: what, why, by how much, and what waits.",
    invoke_without_command=True,
)

RESTATEMENTS = """
SELECT r.*, a.approved_by, a.approved_at, a.why AS approved_why
FROM marts.restatement r
LEFT JOIN LATERAL (
    SELECT * FROM ops.restatement_approval o
    WHERE o.tenant_id = r.tenant_id AND o.restatement_id = r.restatement_id AND r.state IN ('approved', 'published')
    ORDER BY o.approved_at DESC LIMIT 1
) a ON true
WHERE (%(since)s::date IS NULL OR r.published_at >= %(since)s)
AND (%(tenant)s::text IS NULL OR r.tenant_id = %(tenant)s)
ORDER BY r.state IN ('waiting', 'approved', 'preview') DESC, r.published_at DESC, r.restatement_id DESC LIMIT %(last)s
"""
STATES = {
    "published": "out since {published_at:%Y-%m-%d %H:%M}",
    "waiting": "waits for an approval, the old figures stay",
    "approved": "goes out with the next run",
    "preview": "what it would change by if the accounts that wait went out",
    "withdrawn": "taken back by a later input, nothing to publish",
}


@app.callback()
def restatements(
    context: typer.Context,
    since: Annotated[
        date | None, typer.Option("--since", parser=parse_date, metavar="DATE", help="Only those since this day.")
    ] = None,
    tenant: TenantOption = None,
    last: Annotated[
        int, typer.Option("--last", help="How many, the newest last, after them what waits; 0 for all.")
    ] = 50,
    as_json: JsonOption = False,
) -> None:
    """List restatements: whose, from when, the largest change, the input that caused it, and whether it is out."""
    if context.invoked_subcommand:
        return
    asked = {"since": since, "tenant": tenant, "last": last or None}
    with Ledger(Settings()).connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(RESTATEMENTS, asked).fetchall()[::-1]
    if as_json:
        typer.echo(json_text(found))
        return
    console = terminal()
    if not found:
        console.print("no restatement" + (f" since {since}" if since else ""))
    for one in found:
        for line in in_words(one):
            console.print(line, markup=False, soft_wrap=True)


@app.command()
def approve(
    restatement_id: Annotated[str, typer.Argument(metavar="ID", help="The restatement, as the list names it.")],
    why: Annotated[str, typer.Option("--why", help="The reason, which is recorded.")],
) -> None:
    """Let a restatement that waits go out with the next run, under the login that the command connects with."""
    connection = Ledger(Settings()).connection
    entered = enter(
        connection,
        "INSERT INTO ops.restatement_approval (tenant_id, restatement_id, why) VALUES (split_part(%s, '/', 1), %s, %s)"
        " RETURNING approved_by",
        [restatement_id, restatement_id, why],
    )
    typer.echo(f"{restatement_id} is approved by {entered[0]}; it goes out with the next run")


def enter(connection: psycopg.Connection, statement: str, values: list[Any]) -> tuple[Any, ...]:
    """Add a row to a record whose rules stand in the database; returns what the statement gives back.

    Raises DietzError with the rule that was broken.
    """
    try:
        row = connection.execute(statement, values).fetchone()
    except psycopg.errors.RaiseException as error:
        raise DietzError(str(error.diag.message_primary)) from error
    assert row is not None
    return tuple(row)


def in_words(one: dict[str, Any]) -> list[str]:
    """A restatement (a row of marts.restatement) as it is told to an operator."""
    days = f"{one['rows_changed']} date" + ("" if one["rows_changed"] == 1 else "s")
    state = STATES[one["state"]].format_map(one)
    lines = [
        f"{one['restatement_id']}: {state}",
        f"  {days} from {one['from_date']} to {one['last_date']}; {_largest(one)}",
        f"  because of {one['cause']}",
    ]
    if one["approved_by"]:
        lines.append(
            f"  approved by {one['approved_by']} at {one['approved_at']:%Y-%m-%d %H:%M}: {one['approved_why']}"
        )
    return lines


def _largest(one: dict[str, Any]) -> str:
    changes = []
    if one["value_change_on"]:
        changes.append(f"value {one['value_change']:+,.2f} {one['currency']} on {one['value_change_on']}")
    if one["return_change_on"]:
        changes.append(f"{one['return_change_of']} {one['return_change_bp']:+,.4f} bp on {one['return_change_on']}")
    size = f" ({one['materiality']})" if one["materiality"] else ""
    return (", ".join(changes) or "no value and no return changes") + size

"""`dietz accounts`: what a person has to decide about vendors' accounts, the decisions, and who said what of one."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import psycopg
import typer
from psycopg.rows import dict_row
from rich.markup import escape
from rich.table import Table

from jobs.cli.accounts import tenant_of
from jobs.cli.options import JsonOption, TenantOption, parse_date
from jobs.cli.restatements import enter
from jobs.cli.terminal import as_json as in_json
from jobs.cli.terminal import console
from jobs.platform.errors import DietzError
from jobs.platform.ledger import Ledger
from jobs.platform.logs import mask
from jobs.platform.settings import Settings

app = typer.Typer(help="Vendors' accounts against our records.", no_args_is_help=True)

# A proposal stands for its break; what else is wrong with an account is a break alone.
REVIEW = """
SELECT p.proposal_id AS id, p.tenant_id, p.kind, p.account_id, p.source_vendor, p.account_number, p.from_date AS since,
       abs(coalesce(p.their_value, p.our_value)) AS value, p.confidence, p.reasons AS reason
FROM marts.account_proposal p
WHERE p.state = 'open' AND (%(tenant)s::text IS NULL OR p.tenant_id = %(tenant)s)
UNION ALL
SELECT b.break_id, b.tenant_id, substr(b.type, 9), b.account_id, b.source_vendor, NULL, b.as_of_date,
       coalesce(greatest(abs(b.ours), abs(b.theirs))::numeric(28,8), abs(d.end_market_value)), NULL,
       CASE b.type
           WHEN 'account_missing' THEN 'the vendor valued it delivery after delivery, last on ' || b.as_of_date
           WHEN 'account_closed_with_balance' THEN 'closed by our records since ' || b.as_of_date
           WHEN 'account_reopened' THEN 'it was closed and is open again by the vendor''s records'
           ELSE coalesce(b.item, 'an attribute') || ' is given otherwise than before' END
FROM marts.reconciliation_break b
LEFT JOIN LATERAL (
    SELECT end_market_value FROM marts.account_performance_daily d
    WHERE d.tenant_id = b.tenant_id AND d.account_id = b.account_id ORDER BY as_of_date DESC LIMIT 1) d ON true
WHERE b.state = 'open' AND b.type = ANY (%(types)s) AND (%(tenant)s::text IS NULL OR b.tenant_id = %(tenant)s)
ORDER BY value DESC NULLS LAST, tenant_id, id"""
TYPES = ["account_missing", "account_closed_with_balance", "account_reopened", "account_changed"]


@app.command()
def review(tenant: TenantOption = None, as_json: JsonOption = False) -> None:
    """What needs a person, largest value first: numbers that nobody knows, accounts under another number, missing,
    closed with a balance, open again, or changed in what their returns are made of."""
    with Ledger(Settings()).connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(REVIEW, {"tenant": tenant, "types": TYPES}).fetchall()
    for row in found:
        row["account_number"] = row["account_number"] and mask(row["account_number"])
    if as_json:
        typer.echo(in_json(found))
        return
    if not found:
        typer.echo("nothing about accounts needs a person")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("id", "tenant", "what", "account", "vendor", "number", "since", "value", "sure", "why"):
        table.add_column(title, overflow="fold", justify="right" if title in {"value", "sure"} else "left")
    for row in found:
        table.add_row(*[escape(word) for word in _cells(row)])
    console().print(table)
    typer.echo(
        "accept or reject by id: dietz accounts accept ID --why ...; without a number: dietz breaks accept ID ..."
    )


@app.command()
def accept(
    proposal_id: Annotated[str, typer.Argument(metavar="ID", help="The proposal, as `review` names it.")],
    why: Annotated[str, typer.Option("--why", help="The reason, which is recorded.")],
    account: Annotated[
        str | None, typer.Option("--as", metavar="ACCOUNT", help="The account of ours, where another is meant.")
    ] = None,
    since: Annotated[
        date | None,
        typer.Option("--from", parser=parse_date, metavar="DATE", help="First day on which the number means it."),
    ] = None,
) -> None:
    """Say that a number is an account of ours: from its first day on the next run reads it as that, and takes over what
    came under it before."""
    account_id, since, login = _decide("accept", proposal_id, why, account, since)
    typer.echo(f"accepted by {login}: the next run reads the number as {account_id} from {since} on")


@app.command()
def reject(
    proposal_id: Annotated[str, typer.Argument(metavar="ID", help="The proposal, as `review` names it.")],
    why: Annotated[str, typer.Option("--why", help="The reason, which is recorded.")],
) -> None:
    """Say that a number is not that account, or no account of ours: it is not proposed again."""
    _, _, login = _decide("reject", proposal_id, why, None, None)
    typer.echo(f"rejected by {login}: it is not proposed again")


@app.command()
def history(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account.")],
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who said what about an account, from when to when, and since when we have known it."""
    connection = Ledger(Settings()).connection
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(
            "SELECT h.attribute, h.value, h.source_vendor, h.valid_from, h.valid_to, h.known_from, h.known_to, f.path,"
            " h.line_no FROM marts.account_history h LEFT JOIN ops.file f USING (file_id)"
            " WHERE h.tenant_id = %s AND h.account_id = %s"
            " ORDER BY h.attribute, h.source_vendor, h.valid_from, h.known_from",
            [tenant_of(connection, account, tenant), account],
        ).fetchall()
    if as_json:
        typer.echo(in_json(found))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("attribute", "value", "said by", "holds", "known", "file"):
        table.add_column(title, overflow="fold")
    for row in found:
        known = f"{row['known_from']:%Y-%m-%d %H:%M}"
        if row["known_to"]:
            known += f" to {row['known_to']:%Y-%m-%d %H:%M}"
        holds = "always" if row["valid_from"] == date(1900, 1, 1) else f"from {row['valid_from']}"
        holds += f" until {row['valid_to']}" if row["valid_to"] else ""
        where = f"{row['path']} line {row['line_no']}" if row["path"] else ""
        said = (row["attribute"], row["value"] or "", row["source_vendor"], holds, known, where)
        table.add_row(*[escape(word) for word in said])
    console().print(table)


def _cells(row: dict[str, Any]) -> list[str]:
    sure = "" if row["confidence"] is None else f"{row['confidence']:.0%}"
    value = "" if row["value"] is None else f"{row['value']:,.2f}"
    account = "" if row["kind"] == "new" else row["account_id"]
    what = row["kind"].replace("_", " ")
    return [row["id"], row["tenant_id"], what, account, row["source_vendor"], row["account_number"] or "",
            str(row["since"]), value, sure, row["reason"]]  # fmt: skip


def _decide(
    decision: str, proposal_id: str, why: str, account: str | None, since: date | None
) -> tuple[str | None, date, str]:
    connection: psycopg.Connection = Ledger(Settings()).connection
    asked = connection.execute(
        "SELECT tenant_id FROM marts.account_proposal WHERE proposal_id = %s", [proposal_id]
    ).fetchone()
    if asked is None:
        raise DietzError(f"there is no proposal '{proposal_id}': dietz accounts review lists them")
    account_id, first, login = enter(
        connection,
        "INSERT INTO ops.account_decision (tenant_id, proposal_id, decision, why, account_id, from_date)"
        " VALUES (%s, %s, %s, %s, %s, %s) RETURNING account_id, from_date, decided_by::text",
        [asked[0], proposal_id, decision, why, account, since],
    )
    return account_id, first, login

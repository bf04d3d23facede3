"""`dietz breaks`: what differs between others' figures and ours, whose it is, and what is to become of it."""

from __future__ import annotations

import csv
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from rich.markup import escape
from rich.table import Table

from jobs.cli.options import JsonOption, TenantOption, VendorOption, parse_date
from jobs.cli.restatements import enter
from jobs.cli.terminal import as_json as in_json
from jobs.cli.terminal import console
from jobs.platform import schemas
from jobs.platform.errors import DietzError
from jobs.platform.ledger import Ledger
from jobs.platform.logs import mask
from jobs.platform.settings import Settings
from jobs.report.largest import LARGEST_FIRST, VALUED, VENDORS_NUMBER, bands

app = typer.Typer(help="Differences between others' figures and ours, until they are solved.", no_args_is_help=True)

STATES = {
    "living": "b.state IN ('open', 'explained', 'accepted')",
    "reopened": "b.state = 'open' AND b.reopened_on IS NOT NULL",
    "all": "true",
    **{state: f"b.state = '{state}'" for state in ("open", "explained", "accepted", "resolved", "not_comparable")},
}
BREAKS = f"""
SELECT b.* FROM marts.reconciliation_break b
{VALUED}
WHERE (%(tenant)s::text IS NULL OR b.tenant_id = %(tenant)s)
AND (%(vendor)s::text IS NULL OR b.source_vendor = %(vendor)s)
AND (%(type)s::text IS NULL OR b.type = %(type)s)
AND (%(owner)s::text IS NULL OR b.owner = %(owner)s)
AND (%(band)s::text IS NULL OR %(band)s IN (b.age_band, b.materiality))
AND (%(id)s::text IS NULL OR starts_with(b.break_id, %(id)s))
AND {{state}}
ORDER BY b.state = 'open' DESC, {LARGEST_FIRST}
"""  # noqa: S608
EVENTS = """
SELECT event, owner, until, said, login, at FROM ops.break_event
WHERE tenant_id = %(tenant_id)s AND break_id = %(break_id)s ORDER BY event_no
"""
TypeOption = Annotated[str | None, typer.Option("--type", help="Only this type, as begin_value or twrr_daily.")]
StateOption = Annotated[str, typer.Option("--state", help=f"{', '.join(STATES)}.")]
OwnerOption = Annotated[str | None, typer.Option("--owner", help="Only those of this desk or person.")]
BandOption = Annotated[str | None, typer.Option("--band", help="Only this band, by age or by materiality.")]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Breaks, as `ls` names them; their beginning will do.")]
WhyOption = Annotated[str, typer.Option("--why", help="The reason, which is recorded.")]


@app.command("ls")
def list_breaks(  # noqa: PLR0917
    tenant: TenantOption = None,
    vendor: VendorOption = None,
    type_: TypeOption = None,
    state: StateOption = "living",
    owner: OwnerOption = None,
    band: BandOption = None,
    as_json: JsonOption = False,
) -> None:
    """List breaks, what is open first and the largest first: whose, what differs, by how much, since when, and why."""
    rows = _breaks(tenant=tenant, vendor=vendor, type=type_, state=state, owner=owner, band=band)
    if as_json:
        typer.echo(in_json(rows))
        return
    if not rows:
        typer.echo("no break" + (" lives" if state == "living" else f" is {state.replace('_', ' ')}"))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("id", "tenant", "account", "vendor", "what", "dates", "difference", "age", "state", "owner", "why"):
        table.add_column(title, overflow="fold", justify="right" if title in {"difference", "age"} else "left")
    for row in rows:
        what = row["type"] + (f" {row['item']}" if row["item"] else "")
        bands = "/".join(word for word in (row["age_band"], row["materiality"]) if word)
        age = "" if row["age_days"] is None else f"{row['age_days']} d" + (f" {bands}" if bands else "")
        cells = [row["break_id"][:10], row["tenant_id"], row["account_id"], row["source_vendor"], what, _dates(row)]
        cells += [_difference(row), age, _state(row), row["owner"] or "", row["reason"]]
        table.add_row(*[escape(cell) for cell in cells])
    console().print(table)


@app.command()
def show(break_id: Annotated[str, typer.Argument(metavar="ID")], tenant: TenantOption = None) -> None:
    """Show all that is known of a break, and who said what of it when."""
    connection = Ledger(Settings()).connection
    row = _one(connection, break_id, tenant)
    with connection.cursor(row_factory=dict_row) as cursor:
        events = cursor.execute(EVENTS, row).fetchall()
    out = console()
    for name, value in row.items():
        if value is not None:
            shown = f"{value:f}" if isinstance(value, Decimal) else str(value)
            out.print(f"{name:<20} {shown}", markup=False, soft_wrap=True)
    for event in events:
        words = {"assign": f"to {event['owner']}", "accept": f"until {event['until']}"}.get(event["event"], "")
        said = f": {event['said']}" if event["said"] else ""
        what = f"{event['event']} {words}".strip()
        out.print(f"{event['at']:%Y-%m-%d %H:%M}  {event['login']}  {what}{said}", markup=False, soft_wrap=True)


@app.command()
def assign(
    ids: Ids,
    to: Annotated[str, typer.Option("--to", help="The desk or person that looks after them from now on.")],
    tenant: TenantOption = None,
) -> None:
    """Give breaks to a desk or person; rules of conf/breaks.yaml assign them no more."""
    _enter(ids, tenant, "assign", owner=to)


@app.command()
def comment(
    ids: Ids, say: Annotated[str, typer.Option("--say", help="The words.")], tenant: TenantOption = None
) -> None:
    """Say something of breaks, for others to read."""
    _enter(ids, tenant, "comment", said=say)


@app.command()
def accept(
    ids: Ids,
    until: Annotated[
        date, typer.Option("--until", parser=parse_date, metavar="DATE", help="Last date on which it holds.")
    ],
    why: WhyOption,
    tenant: TenantOption = None,
) -> None:
    """Accept breaks until a date, at their present amount: they open again when either passes."""
    _enter(ids, tenant, "accept", said=why, until=until)


@app.command("reopen")
def open_again(ids: Ids, why: WhyOption, tenant: TenantOption = None) -> None:
    """Open breaks again that were accepted or explained; no cause explains them any more."""
    _enter(ids, tenant, "reopen", said=why)


@app.command()
def export(  # noqa: PLR0917
    tenant: TenantOption = None,
    vendor: VendorOption = None,
    type_: TypeOption = None,
    state: StateOption = "living",
    owner: OwnerOption = None,
    band: BandOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="File to write; left out: standard output.")] = None,
) -> None:
    """Write breaks as CSV, in the columns of marts.reconciliation_break; numbers of vendors' accounts masked."""
    rows = _breaks(tenant=tenant, vendor=vendor, type=type_, state=state, owner=owner, band=band)
    names = [column.name for column in schemas.table("reconciliation_break").columns if column.published]
    stream = out.open("w", encoding="utf-8", newline="") if out else sys.stdout
    try:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_plain(row[name]) for name in names] for row in rows)
    finally:
        if out:
            stream.close()
    if out:
        typer.echo(f"{out}: {len(rows):,} breaks")


def _plain(value: Any) -> Any:
    """Money with all its decimals; text that a spreadsheet would take for a formula is marked as text."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@"} else value


def _enter(
    ids: list[str],
    tenant: str | None,
    event: str,
    *,
    said: str = "",
    owner: str | None = None,
    until: date | None = None,
) -> None:
    """Enter the event for all of these breaks or for none."""
    connection = Ledger(Settings()).connection
    found = [_one(connection, one, tenant) for one in ids]
    with connection.transaction():
        for row in found:
            (login,) = enter(
                connection,
                "INSERT INTO ops.break_event (tenant_id, break_id, event, owner, until, said)"
                " VALUES (%s, %s, %s, %s, %s, %s) RETURNING login",
                [row["tenant_id"], row["break_id"], event, owner, until, said],
            )
    words = {
        "assign": f"is assigned to {owner}",
        "comment": "has the comment",
        "accept": f"is accepted until {until}",
        "reopen": "is open again",
    }
    for row in found:
        typer.echo(f"{row['break_id'][:10]} {row['account_id']} {row['type']} {words[event]} (by {login})")


def _breaks(**asked: str | None) -> list[dict[str, Any]]:
    state = asked.pop("state") or "living"
    if state not in STATES:
        raise typer.BadParameter(f"no state '{state}'; states are {', '.join(STATES)}")
    known = schemas.table("reconciliation_break").column("type").values
    if asked["type"] is not None and asked["type"] not in known:
        raise typer.BadParameter(f"no type '{asked['type']}'; types are {', '.join(known)}")
    return _found(Ledger(Settings()).connection, STATES[state], {**asked, "id": None})


def _one(connection: psycopg.Connection, break_id: str, tenant: str | None) -> dict[str, Any]:
    asked = {"tenant": tenant, "vendor": None, "type": None, "owner": None, "band": None, "id": break_id}
    found = _found(connection, STATES["all"], asked)
    if not found:
        raise DietzError(f"there is no break '{break_id}'" + (f" of tenant '{tenant}'" if tenant else ""))
    if len(found) > 1:
        names = ", ".join(f"{row['break_id']} of {row['tenant_id']}" for row in found[:5])
        raise DietzError(f"'{break_id}' begins the names of {len(found)} breaks: {names}")
    return found[0]


def _found(connection: psycopg.Connection, state: str, asked: dict[str, str | None]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        names = {**asked, "bands": Jsonb(bands(Settings()))}
        rows = cursor.execute(BREAKS.format(state=state).encode(), names).fetchall()
    for row in rows:
        name = VENDORS_NUMBER.get(row["type"])
        if name and row[name]:
            row[name] = mask(row[name])
    return rows


def _dates(row: dict[str, Any]) -> str:
    through = row["through_date"] or row["as_of_date"]
    return f"{row['as_of_date']}" + (f" to {through}" if through != row["as_of_date"] else "")


def _difference(row: dict[str, Any]) -> str:
    bps = "" if row["difference_bps"] is None else f"{row['difference_bps']:+,.2f} bps"
    money = "" if row["difference"] is None else f"{row['difference']:+,.2f}"
    return f"{money} ({bps})" if money and bps else money or bps


def _state(row: dict[str, Any]) -> str:
    if row["state"] == "open" and row["reopened_on"]:
        return f"open again since {row['reopened_on']}"
    return {
        "accepted": f"accepted until {row['accepted_until']}",
        "explained": f"explained: {(row['cause'] or '').replace('_', ' ')}",
    }.get(row["state"], row["state"].replace("_", " "))

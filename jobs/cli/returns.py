"""`dietz returns`: what an account returned over any range, asked of the marts."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import psycopg
import typer
from psycopg.rows import dict_row

from jobs.cli.accounts import tenant_of
from jobs.cli.options import JsonOption, TenantOption, parse_date
from jobs.cli.terminal import as_json as json_text
from jobs.cli.terminal import console as terminal
from jobs.platform.ledger import Ledger
from jobs.platform.settings import Settings

# The sums are of the rows that marts.twrr links; a range starts from the row at start_date, or with its track.
RANGE = """
SELECT r.status, r.start_date, r.end_date, s.currency, r.twrr, r.twrr_gross,
       CASE WHEN r.end_date > r.start_date + interval '12 months'
            THEN power(1 + r.twrr, 365.25 / (r.end_date - r.start_date)) - 1 END AS twrr_annualised,
       s.begin_market_value, s.net_flow, s.fees,
       s.end_market_value - s.begin_market_value - s.net_flow AS gain_loss, s.end_market_value
FROM marts.twrr(%(tenant)s, %(account)s, %(since)s, %(to)s) r
LEFT JOIN marts.account_performance_daily e ON r.status = 'ok' AND e.tenant_id = %(tenant)s
    AND e.account_id = %(account)s AND e.as_of_date = r.end_date
LEFT JOIN marts.account_performance_daily b ON r.status = 'ok' AND b.tenant_id = %(tenant)s
    AND b.account_id = %(account)s AND b.as_of_date = r.start_date AND b.track_no = e.track_no
LEFT JOIN LATERAL (
    SELECT e.currency, e.end_market_value, sum(d.net_flow) AS net_flow, sum(d.fees) AS fees,
           coalesce(b.end_market_value, greatest((array_agg(d.begin_market_value ORDER BY d.as_of_date))[1], 0))
               AS begin_market_value
    FROM marts.account_performance_daily d
    WHERE r.status = 'ok' AND d.tenant_id = %(tenant)s AND d.account_id = %(account)s
    AND d.as_of_date > r.start_date AND d.as_of_date <= r.end_date AND d.track_no = e.track_no
) s ON true
"""
WORDS = {
    "insufficient_history": "the account's present record does not reach back to {since}: it has no row in the week up"
    " to that day",
    "no_period": "{to} is not after {since}: there is no time to earn a return in",
    "not_published": "no row of the account dated after {since} and up to {to} is published",
    "excluded": "the account is taken out of performance (in_performance false)",
    "no_fx": "the account's values in the range have no exchange rate",
}


def returns(
    account: Annotated[str, typer.Option("--account", metavar="ACCOUNT", help="The account.")],
    since: Annotated[
        date, typer.Option("--from", parser=parse_date, metavar="DATE", help="From the end of this day, YYYY-MM-DD.")
    ],
    to: Annotated[
        date, typer.Option("--to", parser=parse_date, metavar="DATE", help="To the last value up to this day.")
    ],
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an account's return over a range of dates: net, gross, per year, and what came in and went out."""
    ledger = Ledger(Settings())
    asked = {"tenant": tenant_of(ledger.connection, account, tenant), "account": account, "since": since, "to": to}
    found = range_of(ledger.connection, asked)
    if as_json:
        facts = {"tenant_id": asked["tenant"], "account_id": account, "from_date": since, "to_date": to} | found
        typer.echo(json_text(facts))
        return
    console = terminal()
    console.print(f"{account} ({asked['tenant']}), asked for {since} to {to}", markup=False)
    if found["status"] != "ok":
        reason = WORDS[found["status"]].format(since=since, to=to)
        console.print(f"  no return, {found['status']}: {reason}", markup=False, soft_wrap=True)
        return
    console.print(f"  from the value of {found['start_date']} to that of {found['end_date']}, {found['currency']}")
    for name, value in _lines(found):
        console.print(f"  {name:<24} {value:>24}", markup=False)


def range_of(connection: psycopg.Connection, asked: dict[str, Any]) -> dict[str, Any]:
    """What happened in the range: status, start_date, end_date, currency, twrr, twrr_gross, twrr_annualised (beyond one
    year), begin_market_value, net_flow, fees, gain_loss, end_market_value; NULL but the status where that is not ok.

    `asked`: tenant, account, since, to.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        (found,) = cursor.execute(RANGE, asked).fetchall()
    return found


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    def percent(value: float) -> str:
        return f"{value:,.6%}"

    def money(value: Decimal) -> str:
        return f"{value:,.2f}"

    annualised = found["twrr_annualised"]
    return [
        ("return, net", percent(found["twrr"])),
        ("return, gross of fees", percent(found["twrr_gross"])),
        ("net, per year", "up to one year: none" if annualised is None else percent(annualised)),
        ("begin value", money(found["begin_market_value"])),
        ("flows, net", money(found["net_flow"])),
        ("gain", money(found["gain_loss"])),
        ("end value", money(found["end_market_value"])),
        ("fees within the gain", money(found["fees"])),
    ]

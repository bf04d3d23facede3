"""`dietz risk`: the statistics of an account's daily returns, computed when asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from jobs.cli.options import JsonOption, TenantOption, parse_date
from jobs.cli.terminal import console as terminal
from jobs.platform.errors import DietzError
from jobs.platform.settings import Settings

if TYPE_CHECKING:
    from jobs.platform.lake import Lake

DAILY = "account_performance_daily"


def risk(
    account: Annotated[str, typer.Option("--account", metavar="ACCOUNT", help="The account.")],
    through: Annotated[
        date | None,
        typer.Option("--date", parser=parse_date, metavar="DATE", help="At the last value up to this day."),
    ] = None,
    tenant: TenantOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the risk statistics of an account's daily returns, from the lake's current rows."""
    from jobs.platform.lake import Lake
    from jobs.platform.ledger import Ledger
    from jobs.platform.spark import get_spark

    settings = Settings()
    withheld = Ledger(settings).withheld_files()
    lake = Lake(get_spark(settings, "dietz risk"), settings.lake_root)
    rows = daily_risk(lake, settings, account, through or date.max, tenant=tenant, withheld=withheld)
    if as_json:
        typer.echo(json.dumps(rows, default=str, indent=1))
        return
    end = rows[0]
    console = terminal()
    console.print(f"{account} ({end['tenant_id']}), daily returns up to {end['as_of_date']}", markup=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("", *[row["window_name"] for row in rows]):
        table.add_column(title, justify="right" if title else "left")
    for name in list(end)[list(end).index("since_date") :]:
        table.add_row(name, *[_shown(row[name]) for row in rows])
    console.print(table)


def daily_risk(
    lake: Lake,
    settings: Settings,
    account: str,
    through: date,
    *,
    tenant: str | None = None,
    withheld: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The account's rows of gold.account_risk of daily frequency at its last row up to `through`, ITD first.

    `withheld` are the files whose rows may not be used. Raises DietzError where it has no such row, or several tenants
    have the account and none is named.
    """
    from pyspark.sql import functions as F

    from jobs.calculate.benchmarks import with_benchmark
    from jobs.calculate.epochs import current_rows
    from jobs.calculate.inputs import Silver
    from jobs.calculate.market import market
    from jobs.calculate.periods import period_returns
    from jobs.calculate.risk import daily_series, risk_statistics, risk_windows

    wanted = F.col("account_id") == account
    if tenant is not None:
        wanted &= F.col("tenant_id") == tenant
    own = current_rows(lake.read(DAILY).where(wanted), lake.read("account_epoch").where(wanted))
    rows = own.where(F.col("as_of_date") <= through).persist()
    try:
        last = rows.groupBy("tenant_id").agg(F.max("as_of_date")).orderBy("tenant_id").collect()
        if len(last) != 1:
            raise DietzError(_which(account, tenant, [row[0] for row in last], through))
        tenant_id, day = last[0]
        given = market(Silver(lake, [tenant_id], list(withheld)), settings, day)
        end = rows.where(F.col("as_of_date") == day)
        policies = {tenant_id: settings.tenant(tenant_id)}
        periods = period_returns(end, rows, policies=policies, calendar=given.calendar)
        windows = with_benchmark(risk_windows(end, periods, "daily", given.calendar), given.benchmarks)
        found = risk_statistics(windows, daily_series(rows, given.benchmarks, given.days), "daily").collect()
    finally:
        rows.unpersist()
    order = ["ITD", "1Y", "3Y", "5Y"]
    return [row.asDict() for row in sorted(found, key=lambda row: order.index(row["window_name"]))]


def _which(account: str, tenant: str | None, found: list[str], through: date) -> str:
    if found:
        return f"account '{account}' exists in {' and '.join(found)}: say which by --tenant"
    until = "" if through == date.max else f" up to {through}"
    return f"account '{account}'{f' of tenant {tenant!r}' if tenant else ''} has no daily row{until}"


def _shown(value: Any) -> str:
    return "" if value is None else f"{value:.6f}" if isinstance(value, float) else str(value)

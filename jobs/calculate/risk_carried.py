"""Monthly statistics that a later row of the same account has too: carried forward instead of computed."""

from __future__ import annotations

from pyspark.sql import DataFrame

from jobs.calculate.months import with_month_end
from jobs.calculate.risk import result_columns

KEY = ["tenant_id", "account_id", "window_name"]
SAME_RETURNS = """
    until < as_of_date AND last_day(until) = old_month AND track = old_track AND benchmark_id <=> old.benchmark_id
    AND status IN ('ok', 'insufficient_history')
    AND (status = 'insufficient_history') = (old.status = 'insufficient_history')
    AND (old.first_return_date IS NULL OR old.first_return_date > since)"""


def carried_forward(windows: DataFrame, previous: DataFrame, calendar: DataFrame | None = None) -> DataFrame:
    """The rows that `risk_statistics` would give for those of the monthly `windows` whose returns are those of a row
    in `previous`; the others, which an anti-join by key leaves, are to be computed.

    `windows` is what `risk_windows` gave, with benchmark_id, at most one end per account; `previous` the accounts'
    latest monthly rows of gold.account_risk, one end per account. Until its month has ended a later row of a track has
    the full months that the rows before it had: the same returns since the month-end, unless the window's start has
    moved past the first of them. So an ordinary night computes next to none. Accounts that are restated, and
    those whose benchmark's past levels have changed, must not be given. Only the window's start is another, which is
    also the peak of a fall from the start.
    """
    last_month = "last_day(add_months(as_of_date, -1))"
    before = with_month_end(previous.where("frequency = 'monthly'"), "as_of_date", calendar).selectExpr(
        *KEY,
        "struct(*) AS old",
        f"IF(is_month_end, last_day(as_of_date), {last_month}) AS old_month",
        f"{_track('since_date')} AS old_track",
    )
    same = windows.selectExpr("*", f"{_track('since')} AS track").join(before, KEY).where(SAME_RETURNS)
    own = {
        **{name: name for name in [*KEY, "as_of_date", "epoch"]},
        "since_date": "since",
        "drawdown_peak_date": "IF(old.drawdown_peak_date = old.since_date, since, old.drawdown_peak_date)",
    }
    return same.selectExpr(*[f"{own.get(name, f'old.{name}')} AS {name}" for name in result_columns()])


def _track(since: str) -> str:
    """The start of the account's track, which tells one track from another."""
    return f"max(IF(window_name = 'ITD', {since}, NULL)) OVER (PARTITION BY tenant_id, account_id)"

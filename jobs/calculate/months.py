"""Months of a track as rows of their own: what monthly statistics are made from, whatever the length of the history."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.epochs import current_rows
from jobs.platform.business_calendar import with_business_days

ACCOUNT = ["tenant_id", "account_id"]
MONTH = [*ACCOUNT, "track_no", "month"]


def ended_months(rows: DataFrame, calendar: DataFrame | None = None) -> DataFrame:
    """The months that new rows of gold.account_performance_daily end: tenant_id, account_id, month (its last day).

    A month is ended by a row on or after its last business day, and by a later month's row where the account had no
    such row. On other nights there is none: a month that goes on is in no monthly statistic. Of an account that is
    restated `rows` are all from the first difference on.
    """
    dated = with_month_end(rows.select(*ACCOUNT, "as_of_date", "begin_date"), "as_of_date", calendar)
    own = dated.where("is_month_end").selectExpr(*ACCOUNT, "last_day(as_of_date) AS month")
    crossing = dated.where("last_day(begin_date) < last_day(as_of_date)").drop("is_month_end")
    left = with_month_end(crossing, "begin_date", calendar).where("NOT is_month_end")
    return own.unionByName(left.selectExpr(*ACCOUNT, "last_day(begin_date) AS month")).distinct()


def account_months(rows: DataFrame, calendar: DataFrame | None = None) -> DataFrame:
    """Rows of gold.account_month, but epoch, run_id and run_no: one per account, track and month of `rows`.

    `rows` are current rows of gold.account_performance_daily, all of each month. is_full: the track has a row, or
    begins, in the previous month on or after that month's last business day (an opening row begins on its own day).
    return_net and return_gross are linked over the month's rows, NULL where none of them has a return. The benchmark's
    and the risk-free return are not kept: they follow from the dates, so that a late level restates nothing.
    """
    months = (
        rows.where("track_no IS NOT NULL")
        .selectExpr("*", "last_day(as_of_date) AS month")
        .groupBy(*MONTH)
        .agg(
            F.max("as_of_date").alias("last_date"),
            F.max_by("currency", "as_of_date").alias("currency"),
            F.max_by("mtd_start_date", "as_of_date").alias("begin_date"),
            F.expr("bool_or(twrr_daily IS NOT NULL) AS has_return"),
            F.max_by("twrr_mtd", "as_of_date").alias("linked_net"),
            F.max_by("twrr_mtd_gross", "as_of_date").alias("linked_gross"),
        )
    )
    return with_month_end(months, "begin_date", calendar).selectExpr(
        *MONTH,
        "last_date AS as_of_date",
        "currency",
        "begin_date",
        "IF(has_return, linked_net, NULL) AS return_net",
        "IF(has_return, linked_gross, NULL) AS return_gross",
        "is_month_end AND last_day(begin_date) = last_day(add_months(month, -1)) AS is_full",
    )


def current_months(months: DataFrame, epochs: DataFrame) -> DataFrame:
    """Of gold.account_month the row of each account, track and month that counts; same columns.

    `epochs`: gold.account_epoch. Rows that a restatement superseded are left out; of the others the latest counts.
    """
    others = [name for name in months.columns if name not in MONTH]
    last = F.max_by(F.struct(*others), F.struct("epoch", "run_no")).alias("row")
    found = current_rows(months, epochs).groupBy(*MONTH).agg(last)
    return found.select(*[name if name in MONTH else f"row.{name}" for name in months.columns])


def with_month_end(rows: DataFrame, day: str, calendar: DataFrame | None) -> DataFrame:
    """`rows` with is_month_end: the date column `day` is on or after the last business day of its month."""
    own = with_business_days(rows, day, calendar).selectExpr(
        *rows.columns, "business_day_no AS own_day_no", f"last_day({day}) AS own_month_end"
    )
    return with_business_days(own, "own_month_end", calendar).selectExpr(
        *rows.columns, "own_day_no = business_day_no AS is_month_end"
    )

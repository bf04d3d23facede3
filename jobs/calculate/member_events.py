"""All that happens to an account as a member of groups, in one sorted frame: its rows, revaluations and transfers."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.membership import ACCOUNT, OPEN, first_day
from jobs.calculate.windows import Sorted
from jobs.platform.business_calendar import with_business_days

# Kinds of events, in the order in which they count within a day.
TRANSFER, STATE = range(2)
OF_ACCOUNT = Sorted(("tenant_id", "account_id"), ("event_date", "kind"))
ROW = [
    "begin_market_value", "contributions", "distributions", "fees", "gain_loss", "weighted_capital", "days",
    "begin_date",
]  # fmt: skip


def member_events(
    rows: DataFrame,
    before: DataFrame | None,
    memberships: DataFrame,
    *,
    transfers: DataFrame | None,
    closed: DataFrame | None,
    calendar: DataFrame | None,
) -> DataFrame:
    """Events sorted by account; the inputs are those of `groups.group_daily`.

    Columns: tenant_id, account_id, event_date, kind (TRANSFER, STATE), status, value (market value after the event;
    NULL: none that a group may count), is_new (one of `rows`, not of `before`), row (its
    figures: ROW), last (event_date, value, status, shut_on of the state before), next_date (of the next state),
    dropped_on (the first day after the event on which the account is closed and so is not carried; NULL: it has a row
    before that), memberships (array of group_type, group_id, from_date, to_date), and with transfers: transfer (amount,
    weight_extra, day_no: the business days before its date), shared (the memberships of the account that the
    counterparty shares on the date), covered_by (the account's row that a transfer belongs to).
    """
    times = _times(memberships, closed)
    value = "IF(status = 'excluded', NULL, end_market_value) AS value"
    state = [*ACCOUNT, "as_of_date AS event_date", f"{STATE} AS kind", "status", value]
    own = rows.where("status <> 'no_fx'")
    parts = [own.selectExpr(*state, "true AS is_new", f"struct({', '.join(ROW)}) AS row")]
    if before is not None:
        parts.append(before.where("status <> 'no_fx'").selectExpr(*state, "false AS is_new"))
    if transfers is not None:
        parts.append(_transfers(transfers, times))
    every = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)
    of_members = every.join(times.hint("shuffle_hash"), ACCOUNT)
    if transfers is None:
        return _with_neighbours(of_members)
    return _with_neighbours(_with_covering_row(with_business_days(of_members, "event_date", calendar)))


def _times(memberships: DataFrame, closed: DataFrame | None) -> DataFrame:
    """tenant_id, account_id, memberships and closed (arrays of intervals; closed NULL: never)."""
    times = memberships.selectExpr(
        *ACCOUNT, f"struct(group_type, group_id, from_date, coalesce(to_date, {OPEN}) AS to_date) AS membership"
    )
    shut = "CAST(NULL AS STRUCT<from_date: DATE, to_date: DATE>)"
    if closed is not None:
        shut = "closed"
        of_closed = closed.selectExpr(*ACCOUNT, f"struct(from_date, coalesce(to_date, {OPEN}) AS to_date) AS closed")
        times = times.unionByName(of_closed, allowMissingColumns=True)
    return times.groupBy(*ACCOUNT).agg(
        F.expr("collect_list(membership) AS memberships"), F.expr(f"nullif(collect_list({shut}), array()) AS closed")
    )


def _transfers(transfers: DataFrame, times: DataFrame) -> DataFrame:
    """Transfers with the memberships of the counterparty."""
    others = times.selectExpr("tenant_id", "account_id AS counterparty_account_id", "memberships AS of_counterparty")
    return transfers.join(others, ["tenant_id", "counterparty_account_id"]).selectExpr(
        *ACCOUNT, "event_date", f"{TRANSFER} AS kind", "struct(amount, weight_extra) AS transfer", "of_counterparty"
    )


def _with_covering_row(events: DataFrame) -> DataFrame:
    """A transfer belongs to the next row of its account, whose sub-period holds its date."""
    figures = "struct(event_date, status, business_day_no, row.begin_date, row.days)"
    own_row = f"IF(is_new AND status <> 'carried', {figures}, NULL)"
    holds = "event_date BETWEEN {0}.from_date AND {0}.to_date"
    same = "x.group_type = y.group_type AND x.group_id = y.group_id"
    is_shared = f"{holds.format('x')} AND exists(of_counterparty, y -> {same} AND {holds.format('y')})"
    return (
        events.selectExpr(
            "*",
            f"IF(kind = {TRANSFER}, filter(memberships, x -> {is_shared}), NULL) AS shared",
            f"lead({own_row}) IGNORE NULLS OVER ({OF_ACCOUNT.by}) AS next_row",
        )
        .selectExpr(
            "*",
            f"IF(kind = {TRANSFER} AND next_row.begin_date < event_date, next_row, NULL) AS covered_by",
            "business_day_no - IF(is_business_day, 1, 0) AS day_no",
        )
        .drop("of_counterparty", "next_row", "business_day_no", "is_business_day")
    )


def _with_neighbours(events: DataFrame) -> DataFrame:
    """`events` with the states before and after them."""
    is_state = f"kind = {STATE}"
    dated = events.selectExpr("*", f"{first_day('closed', 'event_date')} AS shut_on").drop("closed")
    next_date = f"lead(IF({is_state}, event_date, NULL)) IGNORE NULLS OVER ({OF_ACCOUNT.by})"
    state = f"IF({is_state}, struct(event_date, status, value, shut_on), NULL)"
    return (
        dated.selectExpr(
            "*",
            f"coalesce({next_date}, {OPEN}) AS next_date",
            f"last({state}, true) {OF_ACCOUNT.before} AS last",
        )
        .selectExpr("*", "IF(shut_on < next_date, shut_on, NULL) AS dropped_on")
        .drop("shut_on")
    )

"""What each member changes in its groups, and when: the changes of which a group's rows are running sums (section 6).

A member's last value stays in its group until something happens: its own row, a revaluation while it is carried, a
join, a leave. So a carried member costs nothing, and each change says by how much the group's value, flows, gain and
capital grow. What happens on a day without a row of the group counts in the group's next row.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.member_events import TRANSFER
from jobs.calculate.money import MONEY, WHOLE, ZERO, money, times_whole

GROUP = ["tenant_id", "group_type", "group_id"]
MONEYS = ["contributions", "distributions", "fees", "gain", "capital", "value", "row_value"]
COUNTS = ["own_rows", "valued_rows", "valued_members"]
WEIGHTED = "DECIMAL(36,16)"  # a flow times a fraction k / 2D
KINDS = dict.fromkeys(COUNTS, "INT") | dict.fromkeys(MONEYS, MONEY) | {"internal": WEIGHTED}  # of what grows


def member_changes(events: DataFrame) -> DataFrame:
    """One row per group and date on which `member_events.member_events` change anything.

    Columns: tenant_id, group_type, group_id, event_date, own_rows (rows of members) and valued_rows (those with a value
    other than 0), begin_date (the earliest day before what these rows cover), internal (weighted flows between members,
    to be taken out of the capital; NULL: none), and by how much grow valued_members (members with a value other than
    0), contributions, distributions, fees, gain, capital (weighted flows) and value (NULL: by nothing). row_value: what
    these rows' members are worth.
    """
    has_transfers = "transfer" in events.columns
    of_group = events.selectExpr("*", "explode(memberships) AS m").selectExpr("*", *_last_value())
    of_group = of_group.selectExpr("*", *_named(has_transfers))
    changes = of_group.selectExpr(
        "tenant_id", "m.group_type AS group_type", "m.group_id AS group_id", f"inline({_together(has_transfers)})"
    )
    return (
        changes.where("event_date IS NOT NULL")
        .groupBy(*GROUP, "event_date")
        .agg(
            F.min("begin_date").alias("begin_date"),
            *[F.sum(name).alias(name) for name in (*COUNTS, *MONEYS, "internal")],
        )
    )


def _named(has_transfers: bool) -> list[str]:
    """The changes that one event can make in the group of membership `m`, as columns: the account's own row, a join
    or a leave between it and the next one, or a transfer to be taken out."""
    out_on = "least(date_add(m.to_date, 1), dropped_on)"
    joins = "(m.from_date > event_date AND m.from_date < coalesce(dropped_on, next_date))"
    leaves = f"({out_on} <= next_date AND greatest(m.from_date, event_date) < {out_on})"
    return [
        f"{_own()} AS own",
        f"IF(value <> 0 AND {joins}, m.from_date, NULL) AS joins_on",
        f"IF(value <> 0 AND {leaves}, {out_on}, NULL) AS leaves_on",
        *([f"{_internal()} AS internal"] if has_transfers else []),
    ]


def _together(has_transfers: bool) -> str:
    """SQL for the array of an event's changes: mostly one."""
    moved = f"{_moved('joins_on', 'value')}, {_moved('leaves_on', '-value')}"
    of_state = f"IF(joins_on IS NULL AND leaves_on IS NULL, array(own), array(own, {moved}))"
    return f"IF(kind = {TRANSFER}, array(internal), {of_state})" if has_transfers else of_state


def _last_value() -> list[str]:
    """The account's last value, as `kept` where the account was a member the day before, else as `brought`."""
    was_in = "(m.from_date < event_date AND NOT coalesce(last.shut_on < event_date, false))"
    return [f"IF({was_in}, last.value, NULL) AS kept", f"IF({was_in}, NULL, last.value) AS brought"]


def _own() -> str:
    """An account's row, or its revaluation, while it is a member. Who was none the day before joins with the last
    value, but for an opening row: its value is an inflow, with neither capital nor gain."""
    is_opening, is_carried = "(status = 'opening')", "(status = 'carried')"
    is_in = "(is_new AND value IS NOT NULL AND event_date BETWEEN m.from_date AND m.to_date)"

    def counted(of_row: str, at_opening: str = "NULL", carried: str = "NULL") -> str:
        return f"CASE WHEN {is_carried} THEN {carried} WHEN {is_opening} THEN {at_opening} ELSE {of_row} END"

    def with_brought(of_row: str, brought: str = "brought") -> str:
        return counted(f"IF(brought IS NULL, {of_row}, coalesce({of_row}, {ZERO}) + {brought})", carried=brought)

    inflows, outflows = (f"nullif(row.{name}, {ZERO})" for name in ("contributions", "distributions"))
    inflow, outflow = f"greatest(brought, {ZERO})", f"least(brought, {ZERO})"
    # What revaluations have gained since the account's previous row is not gained again.
    gain = "IF(last.status = 'carried', row.gain_loss - (last.value - row.begin_market_value), row.gain_loss)"
    first_day = "IF(last IS NULL, row.begin_date, greatest(row.begin_date, date_sub(m.from_date, 1)))"
    return _change(
        f"IF({is_in}, event_date, NULL)",
        own_rows=f"IF({is_carried}, 0, 1)",
        valued_rows=f"IF({is_carried} OR value = 0, 0, 1)",
        valued_members="IF(value = 0, 0, 1) - IF(kept IS NULL OR kept = 0, 0, 1)",
        begin_date=counted(first_day, "date_sub(event_date, 1)"),
        contributions=f"IF({is_opening}, value, {with_brought(inflows, inflow)})",
        distributions=with_brought(outflows, outflow),
        fees=counted(f"nullif(row.fees, {ZERO})"),
        gain=counted(gain, carried="value - last.value"),
        capital=with_brought("row.weighted_capital - row.begin_market_value"),
        value="IF(kept IS NULL, value, value - kept)",
        row_value=f"IF({is_carried}, NULL, value)",
    )


def _moved(day: str, value: str) -> str:
    """A value that joins its group on a day, or (negative) leaves it: a flow at start of day."""
    return _change(
        day,
        valued_members=f"CAST(sign({value}) * sign(value) AS INT)",
        contributions=f"greatest({value}, {ZERO})",
        distributions=f"least({value}, {ZERO})",
        capital=value,
        value=value,
    )


def _internal() -> str:
    """A flow between two members of a group on its day, taken out of the flows and the capital of the row that covers
    it. An opening row's own flows are not in the group, but its value holds what came from the other member."""
    is_internal = """(covered_by.status <> 'excluded' AND covered_by.event_date BETWEEN m.from_date AND m.to_date
        AND exists(shared, x -> x.group_type = m.group_type AND x.group_id = m.group_id))"""
    is_opening = "(covered_by.status = 'opening')"
    numerator = times_whole(
        "transfer.amount", "2 * greatest(covered_by.business_day_no - 1 - day_no, 0) + transfer.weight_extra"
    )
    is_inflow = f"(transfer.amount > 0 OR {is_opening})"
    return _change(
        f"IF({is_internal}, covered_by.event_date, NULL)",
        contributions=f"IF({is_inflow}, -transfer.amount, {ZERO})",
        distributions=f"IF({is_inflow}, {ZERO}, -transfer.amount)",
        internal=f"IF({is_opening}, NULL, {money(numerator)} / CAST(2 * covered_by.days AS {WHOLE}))",
    )


def _change(day: str, **given: str) -> str:
    """SQL for a change: its date (NULL: there is none) and the figures given; no amount is NULL, which costs a sum less
    than 0 does."""
    figures = [
        f"CAST({given.get(name, '0' if name in COUNTS else 'NULL')} AS {kind}) AS {name}"
        for name, kind in (KINDS | {"begin_date": "DATE"}).items()
    ]
    return f"struct({day} AS event_date, {', '.join(figures)})"

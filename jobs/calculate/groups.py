"""Daily rows of groups: household, advisor, model, tenant and composite (specification, section 6)."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.chain import linked
from jobs.calculate.events import OPENING, STATE_COLUMNS, VALUATION, state_type
from jobs.calculate.member_changes import COUNTS, GROUP, MONEYS, WEIGHTED, member_changes
from jobs.calculate.member_events import member_events
from jobs.calculate.membership import ACCOUNT
from jobs.calculate.money import ZERO, difference, money, total
from jobs.calculate.policies import Policies, per_tenant
from jobs.calculate.windows import Sorted
from jobs.platform.business_calendar import with_business_days

OF_GROUP = Sorted(("tenant_id", "group_type", "group_id"), ("event_date", "kind"))
MEMBERS = ["members", "carried_members", "valued_members", "carried_value"]
SUMMED = ["contributions", "distributions", "fees", "gain", "capital", "internal"]  # since the group's previous row
SNAPPED = "DECIMAL(35,14)"  # weights in sixteen places, added up: beyond the fourteenth there is only their rounding


def group_daily(
    opening: DataFrame | None,
    rows: DataFrame,
    before: DataFrame | None,
    memberships: DataFrame,
    *,
    transfers: DataFrame | None = None,
    closed: DataFrame | None = None,
    calendar: DataFrame | None = None,
    policies: Policies | None = None,
) -> DataFrame:
    """Rows of gold.group_performance_daily, but epoch, run_id and run_no, of every group, for each date after its
    opening row on which a member has a row.

    `opening`: each group's row to go on from, in the columns of gold.group_performance_daily; a group without one
    begins with the first row of a member. `rows`: current rows of gold.account_performance_daily in the tenant's
    reporting currency, those of accounts in another currency as `group_currency` gives them, with their revaluations
    (status `carried`). `before`: each account's last row before its `rows` in the same columns (tenant_id,
    account_id, as_of_date, end_market_value, status), None where `rows` are the whole history; `rows` begin after the
    date that `needed_after` gives. `memberships`, `closed`: as `membership` gives them;
    `transfers`: as `group_currency.transfers_between_accounts` gives them, also of days before `rows`; `calendar` and
    `policies` as for `daily.daily_performance`.
    """
    chosen = policies or {}
    changes = member_changes(
        member_events(rows, before, memberships, transfers=transfers, closed=closed, calendar=calendar)
    )
    # Few beside the members' rows; planned together with what follows they would take longer to plan than to run.
    return rows_of(changes.localCheckpoint(), opening, calendar, chosen)


def rows_of(changes: DataFrame, opening: DataFrame | None, calendar: DataFrame | None, policies: Policies) -> DataFrame:
    """The rows that `changes` (see `member_changes.member_changes`) make after the groups' `opening` rows; columns and
    the other arguments as of `group_daily`."""
    dated = _with_opening(changes, opening)
    return linked(_sub_periods(_summed(dated, policies), calendar), policies, OF_GROUP, MEMBERS)


def needed_after(opening: DataFrame, memberships: DataFrame) -> DataFrame:
    """The date after which each member's rows are needed to go on from the `opening` rows.

    Columns: tenant_id, account_id, opened.
    That is the earliest opening row of the groups it is a member of since then; in a group that has none the member's
    rows are needed from its first day on. Accounts that are not here change no group.
    """
    known = opening.select(*GROUP, F.col("as_of_date").alias("opened"))
    return (
        memberships.join(known, GROUP, "left")
        .where("opened IS NULL OR to_date IS NULL OR to_date >= opened")
        .groupBy(*ACCOUNT)
        .agg(F.expr("min(coalesce(opened, date_sub(from_date, 1))) AS opened"))
    )


def _with_opening(changes: DataFrame, opening: DataFrame | None) -> DataFrame:
    """The changes after each group's opening row, and that row."""
    after = changes.selectExpr(*GROUP, "event_date", f"{VALUATION} AS kind", "begin_date", *COUNTS, *MONEYS, "internal")
    if opening is None:
        return after.selectExpr("*", f"CAST(NULL AS {state_type()}) AS state")
    first = opening.selectExpr(
        *GROUP, "as_of_date AS event_date", f"{OPENING} AS kind", "valued_members", "end_market_value AS value",
        f"struct({', '.join(STATE_COLUMNS)}) AS state",
    )  # fmt: skip
    return (
        after.unionByName(first, allowMissingColumns=True)
        .selectExpr("*", f"max(IF(kind = {OPENING}, event_date, NULL)) {OF_GROUP.whole} AS opened")
        .where(f"opened IS NULL OR event_date > opened OR kind = {OPENING}")
        .drop("opened")
    )


def _summed(changes: DataFrame, policies: Policies) -> DataFrame:
    """Running sums at each row of a group, and those of its previous row."""

    def running(name: str, kind: str) -> str:
        return f"coalesce(CAST(sum({name}) {OF_GROUP.so_far} AS {kind}), CAST(0 AS {kind})) AS {name}"

    sums = [running(name, "DECIMAL(38,16)" if name == "internal" else "DECIMAL(38,8)") for name in [*SUMMED, "value"]]
    is_row = f"(own_rows > 0 OR kind = {OPENING})"
    kept = f"struct(event_date, value, {', '.join(SUMMED)})"
    return (
        changes.selectExpr(
            *GROUP,
            "event_date",
            "kind",
            "state",
            "begin_date",
            "own_rows",
            "valued_rows",
            "row_value",
            f"CAST(sum(valued_members) {OF_GROUP.so_far} AS INT) AS valued_members",
            *sums,
        )
        .selectExpr("*", f"last(IF({is_row}, {kept}, NULL), true) {OF_GROUP.before} AS previous")
        .where(is_row)
        .selectExpr("*", f"{per_tenant(policies, 'reporting_currency')} AS currency")
    )


def _sub_periods(rows: DataFrame, calendar: DataFrame | None) -> DataFrame:
    """A group's rows in the columns of `sub_periods.sub_periods`. The first one begins with the earliest of its
    members' sub-periods, but not before their membership."""
    moneys = [name for name in SUMMED if name != "internal"]
    grown = rows.selectExpr(
        *GROUP, "event_date", "kind", "state", "currency", "previous IS NULL AS is_first",
        "coalesce(previous.event_date, begin_date, event_date) AS begin_date",
        f"{money(f'coalesce(previous.value, {ZERO})')} AS begin_market_value",
        f"{money('value')} AS end_market_value",
        *[f"{difference(name, f'coalesce(previous.{name}, {ZERO})')} AS {name}" for name in moneys],
        f"CAST(internal AS {WEIGHTED}) - coalesce(CAST(previous.internal AS {WEIGHTED}), CAST(0 AS {WEIGHTED}))"
        " AS internal",
        f"{money(total('contributions', 'distributions'))} AS running_flow",
        f"{money('fees')} AS running_fees",
        "CAST(own_rows + valued_members - valued_rows AS INT) AS members",
        "CAST(valued_members - valued_rows AS INT) AS carried_members",
        "valued_members",
        f"{difference('value', f'coalesce(row_value, {ZERO})')} AS carried_value",
    )  # fmt: skip
    begun = with_business_days(grown, "begin_date", calendar).withColumnRenamed("business_day_no", "begun_no")
    dated = with_business_days(begun.drop("is_business_day"), "event_date", calendar)
    capital = total("begin_market_value", "capital")
    less_internal = f"CAST(CAST({capital} AS {WEIGHTED}) - CAST(internal AS {WEIGHTED}) AS {SNAPPED})"
    return dated.selectExpr(
        *grown.columns,
        f"{money('contributions + distributions')} AS net_flow",
        "gain AS gain_loss",
        f"IF(internal = 0, {money(capital)}, {money(less_internal)}) AS weighted_capital",
        "greatest(business_day_no - begun_no, 1) AS days",
        "true AS is_chained",
        "true AS in_performance",
        "true AS last_in_performance",
        "currency AS last_currency",
        f"{ZERO} AS first_day_flow",
    )

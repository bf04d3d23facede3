"""All that happens to an account in one sorted frame: what the file says of it, flows, valuations, the opening row.

One exchange and one sort by account serve every later step.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame

from jobs.calculate.flows import flows_and_fees, weight_extra
from jobs.calculate.policies import Policies, per_tenant, source_rank_sql
from jobs.calculate.windows import Sorted
from jobs.platform.schemas import table

# Kinds of events, in the order in which they count within a day.
ATTRIBUTES, FLOW, FEE, VALUATION, OPENING = range(5)
STATE_COLUMNS = [
    "as_of_date", "currency", "status", "cumulative_net_flow", "cumulative_fees", "tracks", "inception_date",
    "chain_net", "chain_gross", "wiped_out_on", "wiped_out_gross_on",
    "mtd_base_net", "qtd_base_net", "ytd_base_net", "mtd_base_gross", "qtd_base_gross", "ytd_base_gross",
    *[f"{p}_start_{what}" for p in ("mtd", "qtd", "ytd", "itd") for what in ("date", "value", "flow", "fees")],
]  # fmt: skip

# Every window of the calculation has this partition and order, so the events are sorted once.
OF_ACCOUNT = Sorted(("tenant_id", "account_id"), ("event_date", "kind", "source_rank"))
BY_ACCOUNT, SO_FAR, BEFORE, WHOLE = OF_ACCOUNT.by, OF_ACCOUNT.so_far, OF_ACCOUNT.before, OF_ACCOUNT.whole


def account_events(
    opening: DataFrame | None,
    valuations: DataFrame | None,
    transactions: DataFrame,
    accounts: DataFrame,
    policies: Policies,
) -> DataFrame:
    """Events after each account's opening row, that row included, sorted by account; one valuation a day.

    Columns: tenant_id, account_id, event_date, kind, source_rank, amount (in `currency`: the value, flow or fee),
    currency, base_currency, in_performance, weight_extra (of a flow: see `flows.weight_extra`), counterparty_account_id
    (of a journal or transfer), state (of the opening row: STATE_COLUMNS). Of two vendors' valuations of a day, and of
    the vendors that deliver an account's transactions or attributes, the one that the tenant's source_priority puts
    first counts. An account's attributes hold from their effective_from; its first ones hold before that too, except
    that it counts as in performance then.
    """
    parts = [_flows(transactions, policies), _attributes(accounts, policies)]
    if valuations is not None:
        parts.append(_valuations(valuations, policies))
    if opening is not None:
        parts.append(_opening(opening))
    known = reduce(DataFrame.unionByName, parts).selectExpr(
        "*",
        f"last(attributes, true) {SO_FAR} AS now",
        f"first(attributes, true) {WHOLE} AS at_first",
        f"max(IF(kind = {OPENING}, event_date, NULL)) {WHOLE} AS opened",
        f"min(IF(kind IN ({FLOW}, {FEE}), source_rank, NULL)) {WHOLE} AS booking_rank",
        f"lag(IF(kind = {VALUATION}, event_date, NULL)) OVER ({BY_ACCOUNT}) AS valued_before",
    )
    counted = known.where(
        f"kind <> {ATTRIBUTES}"
        f" AND (opened IS NULL OR event_date > opened OR kind = {OPENING})"
        f" AND NOT (kind = {VALUATION} AND event_date <=> valued_before)"
        f" AND NOT (kind IN ({FLOW}, {FEE}) AND source_rank <> booking_rank)"
    )
    base = f"coalesce(now.base_currency, at_first.base_currency, {per_tenant(policies, 'reporting_currency')})"
    policy = f"coalesce(now.flow_timing, at_first.flow_timing, feed_flow_timing, {per_tenant(policies, 'flow_timing')})"
    return counted.selectExpr(
        "tenant_id",
        "account_id",
        "event_date",
        "kind",
        "source_rank",
        "amount",
        f"coalesce(currency, {base}) AS currency",
        f"{base} AS base_currency",
        "coalesce(now.in_performance, true) AS in_performance",
        f"IF(kind = {FLOW}, {weight_extra('amount', 'timing', policy)}, NULL) AS weight_extra",
        "counterparty_account_id",
        "state",
    )


def state_type() -> str:
    """The SQL type of `state`."""
    state = [table("account_state").struct[name] for name in STATE_COLUMNS]
    return f"STRUCT<{', '.join(f'{column.name}: {column.dataType.simpleString()}' for column in state)}>"


def _valuations(valuations: DataFrame, policies: Policies) -> DataFrame:
    return valuations.selectExpr(*_event(
        kind=str(VALUATION), event_date="as_of_date", source_rank=source_rank_sql(policies), amount="market_value",
        currency="currency",
    ))  # fmt: skip


def _flows(transactions: DataFrame, policies: Policies) -> DataFrame:
    return flows_and_fees(transactions, policies).selectExpr(*_event(
        kind=f"IF(is_fee, {FEE}, {FLOW})", event_date="event_date", source_rank="source_rank", amount="amount",
        currency="currency", timing="timing", feed_flow_timing="feed_flow_timing",
        counterparty_account_id="counterparty_account_id",
    ))  # fmt: skip


def _attributes(accounts: DataFrame, policies: Policies) -> DataFrame:
    """One event per version of an account, of the vendor that the tenant puts first."""
    ranked = accounts.selectExpr("*", f"{source_rank_sql(policies)} AS source_rank")
    best = ranked.selectExpr("*", "min(source_rank) OVER (PARTITION BY tenant_id, account_id) AS best_rank")
    return best.where("source_rank = best_rank").selectExpr(*_event(
        kind=str(ATTRIBUTES), event_date="effective_from", source_rank="source_rank",
        attributes="struct(base_currency, flow_timing, in_performance)",
    ))  # fmt: skip


def _opening(opening: DataFrame) -> DataFrame:
    return opening.selectExpr(*_event(
        kind=str(OPENING), event_date="as_of_date", source_rank="''", amount="end_market_value", currency="currency",
        state=f"struct({', '.join(STATE_COLUMNS)})",
    ))  # fmt: skip


def _event(**given: str) -> list[str]:
    """SQL for the columns of an event: those given, the others NULL."""
    types = {
        "event_date": "DATE",
        "kind": "INT",
        "source_rank": "STRING",
        "amount": "DECIMAL(28,8)",
        "currency": "STRING",
        "timing": "INT",
        "feed_flow_timing": "STRING",
        "counterparty_account_id": "STRING",
        "attributes": "STRUCT<base_currency: STRING, flow_timing: STRING, in_performance: BOOLEAN>",
        "state": state_type(),
    }
    columns = [f"CAST({given.get(name, 'NULL')} AS {kind}) AS {name}" for name, kind in types.items()]
    return ["tenant_id", "account_id", *columns]

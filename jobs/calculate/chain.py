"""Statuses, tracks and linked returns (specification, sections 3 and 4)."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.calculate.events import OF_ACCOUNT, OPENING, VALUATION
from jobs.calculate.money import ZERO, difference, money, total
from jobs.calculate.policies import Policies, per_tenant
from jobs.calculate.windows import Sorted

PERIODS = {"mtd": 1, "qtd": 3, "ytd": 12}  # months in each
SIDES = {"net": "", "gross": "_gross"}
UNKNOWN_CAPITAL = f"IF(capital_unknown, {ZERO}, weighted_capital)"
START = ("date", "value", "flow", "fees")  # of a period: its date, begin value, and the sums before it
WIPED_OUT = {"net": "wiped_out_on", "gross": "wiped_out_gross_on"}


def linked(rows: DataFrame, policies: Policies, of: Sorted = OF_ACCOUNT, also: Sequence[str] = ()) -> DataFrame:
    """The rows of `sub_periods.sub_periods` with status, track, returns and chain state; opening rows are left out.

    Columns: those of gold.account_performance_daily but quality_flags, epoch, run_id and run_no. `of`: whose rows they
    are and their order, by default those of accounts; `also`: further columns to keep.
    """
    chained = _with_chain(_with_factors(_with_status(rows)), of)
    return _published(_with_bases(chained, policies, of).where(f"kind = {VALUATION}"), policies, of, also)


def _with_status(rows: DataFrame) -> DataFrame:
    """status (section 3), in_chain, starts_track; in an opening row B NULL and G 0, and C 0 where it is not known."""
    # Where several flows share the earliest date, the sign of their sum says whether it is an outflow.
    came_before_records = "is_first AND end_market_value > 0 AND first_day_flow < 0"
    # A record in another currency cannot go on from a value in the old one.
    begins_anew = "NOT is_first AND (NOT last_in_performance OR last_currency <> currency)"
    judged = rows.selectExpr(
        "*", f"({came_before_records}) OR ({begins_anew}) AS capital_unknown", f"{begins_anew} AS begins_anew"
    ).selectExpr(
        "*",
        """CASE WHEN NOT is_chained THEN 'no_fx'
                WHEN NOT in_performance THEN 'excluded'
                WHEN capital_unknown THEN 'opening'
                WHEN weighted_capital > 0 AND gain_loss <= -weighted_capital THEN 'wiped_out'
                WHEN weighted_capital > 0 THEN 'ok'
                WHEN begin_market_value > 0 THEN 'undefined'
                WHEN end_market_value > 0 THEN 'opening'
                ELSE 'no_capital' END AS status""",
        f"kind = {VALUATION} AND is_chained AND in_performance AS in_chain",
        f"""kind = {VALUATION} AND is_chained AND in_performance AND (is_first OR begins_anew
            OR (begin_market_value <= 0 AND (weighted_capital > 0 OR end_market_value > 0))) AS starts_track""",
    )
    in_opening_row = {"begin_market_value": "NULL", "gain_loss": ZERO, "weighted_capital": UNKNOWN_CAPITAL}
    kept = [name for name in judged.columns if name not in in_opening_row]
    return judged.selectExpr(
        *kept, *[f"IF(status = 'opening', {known}, {name}) AS {name}" for name, known in in_opening_row.items()]
    )


def _with_factors(rows: DataFrame) -> DataFrame:
    """twrr_daily and its factor max(0, 1 + r), net and gross; 1 + r as (C + G) / C, which cannot round to 0.

    A row without a return has factor 1. Total loss is tested on decimals.
    """
    has_return = f"(kind = {VALUATION} AND status IN ('ok', 'wiped_out'))"
    columns = []
    for side, suffix in SIDES.items():
        gain = "gain_loss" if side == "net" else money("gain_loss + fees")
        lost = f"({has_return} AND {gain} <= -weighted_capital)"
        grown = f"CAST({total('weighted_capital', gain)} AS DOUBLE) / CAST(weighted_capital AS DOUBLE)"
        columns += [
            f"IF({has_return}, CAST({gain} AS DOUBLE) / CAST(weighted_capital AS DOUBLE), NULL) AS twrr_daily{suffix}",
            f"{lost} AS lost_{side}",
            f"IF({has_return} AND NOT {lost}, {grown}, 1D) AS factor_{side}",
        ]
    return rows.selectExpr("*", *columns)


def _with_chain(rows: DataFrame, of: Sorted) -> DataFrame:
    """Running count of tracks, inception, product of positive factors and last total loss, from the opening row on."""
    inception = "IF(starts_track, IF(status = 'opening', event_date, date_add(begin_date, 1)), NULL)"
    running = [
        f"CAST(sum({_or_state('tracks', 'IF(starts_track, 1, 0)')}) {of.so_far} AS INT) AS tracks",
        f"last({_or_state('inception_date', inception)}, true) {of.so_far} AS inception_date",
        f"first(state.cumulative_net_flow, true) {of.so_far} AS opening_flow",
        f"first(state.cumulative_fees, true) {of.so_far} AS opening_fees",
    ]
    columns = [F.expr(text) for text in running]
    for side in SIDES:
        factor = f"coalesce({_or_state(f'chain_{side}', f'factor_{side}')}, 1D)"
        lost = _or_state(WIPED_OUT[side], f"IF(lost_{side}, event_date, NULL)")
        product = F.product(F.expr(factor))  # SQL has no such function
        columns += [
            product.over(of.window()).alias(f"product_{side}"),
            F.coalesce(product.over(of.window(-1)), F.lit(1.0)).alias(f"product_before_{side}"),
            F.expr(f"last({lost}, true) {of.so_far} AS {WIPED_OUT[side]}"),
        ]
    return rows.select("*", *columns)


def _with_bases(rows: DataFrame, policies: Policies, of: Sorted) -> DataFrame:
    """The product before the first row of track, month, quarter and year, which a window is linked from; and where
    the period starts, in columns start_<period> (section 4, period start)."""
    columns = []
    start = _start_of_row()
    for period in ("itd", *PERIODS):
        of_state = _start({what: f"state.{period}_start_{what}" for what in START})
        at_first = "starts_track" if period == "itd" else _is_first_of(period, policies)
        found = f"CASE WHEN kind = {OPENING} THEN {of_state} WHEN {at_first} THEN {start} END"
        columns.append(f"last({found}, true) {of.so_far} AS start_{period}")
    for side in SIDES:
        earlier = f"product_before_{side}"
        at_track = f"CASE WHEN kind = {OPENING} THEN 1D WHEN starts_track THEN {earlier} END"
        columns.append(f"last({at_track}, true) {of.so_far} AS track_base_{side}")
        for period in PERIODS:
            base = (
                f"CASE WHEN kind = {OPENING} THEN coalesce(state.{period}_base_{side}, 1D)"
                f" WHEN {_is_first_of(period, policies)} THEN {earlier} END"
            )
            columns.append(f"last({base}, true) {of.so_far} AS base_{period}_{side}")
    return rows.selectExpr("*", *columns)


def _is_first_of(period: str, policies: Policies) -> str:
    """Whether the row is its track's first in the month, quarter or year."""
    own, last = (_number(period, day, policies) for day in ("event_date", "begin_date"))
    return f"(in_chain AND (starts_track OR {own} <> {last}))"


def _start_of_row() -> str:
    """Where a period starts whose first row this is; what an opening row brought with it is left out."""
    flow, fees = _cumulative("flow"), _cumulative("fees")
    begin = f"IF(starts_track, greatest(begin_market_value, {ZERO}), begin_market_value)"
    at_opening = ("event_date", "end_market_value", flow, fees)
    before_row = ("begin_date", begin, difference(flow, "net_flow"), difference(fees, "fees"))

    opening, other = (_start(dict(zip(START, values, strict=True))) for values in (at_opening, before_row))
    return f"IF(status = 'opening', {opening}, {other})"


def _start(values: dict[str, str]) -> str:
    return f"struct({', '.join(f'{value} AS {what}' for what, value in values.items())})"


def _cumulative(name: str) -> str:
    """Sum of flows or fees since the account's first row."""
    return money(total(f"coalesce(opening_{name}, {ZERO})", f"running_{name}"))


def _published(rows: DataFrame, policies: Policies, of: Sorted, also: Sequence[str]) -> DataFrame:
    """The gold columns; NULL where the status says that there is nothing."""
    state, returns = [], {}
    for side, suffix in SIDES.items():
        chain = f"product_{side} / track_base_{side}"
        lost = f"IF({WIPED_OUT[side]} >= inception_date, {WIPED_OUT[side]}, NULL)"
        state += [_if("in_chain", chain, f"chain_{side}"), _if("in_chain", lost, WIPED_OUT[side])]
        for period in PERIODS:
            base = f"base_{period}_{side}"
            in_period = f"{_number(period, lost, policies)} <=> {_number(period, 'event_date', policies)}"
            linked_return = f"IF({in_period}, -1D, product_{side} / {base} - 1D)"
            returns[f"twrr_{period}{suffix}"] = linked_return
            state.append(_if("in_chain", f"{base} / track_base_{side}", f"{period}_base_{side}"))
        returns[f"twrr_itd{suffix}"] = f"IF({lost} IS NOT NULL, -1D, {chain} - 1D)"
    starts = [f"IF(in_chain, start_{p}.{what}, NULL) AS {p}_start_{what}" for p in (*PERIODS, "itd") for what in START]
    flow, fees = _cumulative("flow"), _cumulative("fees")
    return rows.selectExpr(
        *of.keys,
        "event_date AS as_of_date",
        "currency",
        "begin_market_value",
        *[_if("is_chained", name, name) for name in ("contributions", "distributions", "net_flow")],
        _if("is_chained", flow, "cumulative_net_flow"),
        _if("is_chained", "fees", "fees"),
        "end_market_value",
        *[_if("is_chained", name, name) for name in ("gain_loss", "weighted_capital")],
        "days",
        "IF(days = 1, 'daily', 'modified_dietz') AS method",
        "twrr_daily",
        "twrr_daily_gross",
        *[_if("in_chain", value, name) for name, value in returns.items()],
        _if("in_chain", "tracks", "track_no"),
        _if("in_chain", "inception_date", "inception_date"),
        "status",
        "begin_date",
        _if("is_chained", fees, "cumulative_fees"),
        _if("is_chained", "tracks", "tracks"),
        *state,
        *starts,
        *also,
    )


def _number(period: str, day: str, policies: Policies) -> str:
    """Number of a date's month, fiscal quarter or fiscal year, to compare two dates by."""
    months = f"(year({day}) * 12 + month({day}) - {per_tenant(policies, 'fiscal_year_start_month')})"
    return months if PERIODS[period] == 1 else f"({months} DIV {PERIODS[period]})"


def _or_state(name: str, otherwise: str) -> str:
    return f"IF(kind = {OPENING}, state.{name}, {otherwise})"


def _if(condition: str, value: str, name: str) -> str:
    return f"IF({condition}, {value}, NULL) AS {name}"

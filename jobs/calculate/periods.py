"""Returns over periods that end at a row of the chain: to date, trailing years and any range (section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pyspark.sql import DataFrame

from jobs.calculate.money import difference
from jobs.calculate.policies import Policies, per_tenant
from jobs.platform.business_calendar import with_business_days

ACCOUNT = ("tenant_id", "account_id")
TO_DATE = {"MTD": 1, "QTD": 3, "YTD": 12}  # months in each
TRAILING = {"1Y": 1, "3Y": 3, "5Y": 5, "10Y": 10}
GRACE_DAYS = 7  # a trailing period may begin with a row up to a week before its start
START = ("start_date", "start_value", "start_flow", "start_fees")
END = [
    "as_of_date", "status", "track_no", "inception_date", "end_market_value", "cumulative_net_flow", "cumulative_fees",
    "chain_net", "chain_gross", "wiped_out_on", "wiped_out_gross_on",
    *[f"twrr_{p}{side}" for p in ("mtd", "qtd", "ytd", "itd") for side in ("", "_gross")],
    *[f"{p}_{what}" for p in ("mtd", "qtd", "ytd", "itd") for what in START], "epoch",
]  # fmt: skip
FIGURES = [
    "start_date", "begin_market_value", "net_flow", "fees", "end_market_value", "gain_loss", "twrr", "twrr_gross",
    "twrr_annualised",
]  # fmt: skip


@dataclass(frozen=True)
class Trailing:
    """A period of whole years, or a given range; `since` is SQL for its start s in terms of the row at its end."""

    name: str
    since: str
    years: int | None = None


def period_returns(
    ends: DataFrame,
    history: DataFrame,
    *,
    key: Sequence[str] = ACCOUNT,
    policies: Policies | None = None,
    calendar: DataFrame | None = None,
    ranges: Sequence[tuple[str, date]] = (),
) -> DataFrame:
    """MTD, QTD, YTD, ITD, 1Y, 3Y, 5Y, 10Y and the given (name, start date) ranges for each row of `ends`.

    Both frames are current rows of gold.account_performance_daily, or of a table with its columns and another `key`.
    What a period to date starts from stands in the row itself; `history` is only asked for the rows in the week up to
    the start of each trailing period (see `trailing_starts`), more rows do no harm. Columns: the key, as_of_date,
    period, start_date (v(k-1) of the period's first row), begin_market_value, net_flow, fees, end_market_value,
    gain_loss (their difference), twrr, twrr_gross, twrr_annualised (only beyond one year), is_partial (the track began
    after the period did), status (ok, insufficient_history, or why the row itself has no track), epoch.
    """
    names = [*key, "as_of_date", "period", *FIGURES, "is_partial", "status", "epoch"]
    wanted = _wanted(ends, key, policies or {}, calendar, ranges)
    begins_with_track = "since = itd_start_date"
    with_start = wanted.where("track_no IS NULL OR since <= itd_start_date").selectExpr(
        "*",
        f"IF({begins_with_track}, struct({', '.join(f'itd_{w} AS {w}' for w in START)}, 1D AS net, 1D AS gross), NULL)"
        " AS start",
    )
    looked_up = _looked_up(wanted.where("track_no IS NOT NULL AND since > itd_start_date"), history, key)
    trailing = with_start.unionByName(looked_up).selectExpr(*_trailing_figures(key)).select(*names)
    return _to_date(ends, key, policies or {}).select(*names).unionByName(trailing)


def trailing_starts(
    ends: DataFrame, *, policies: Policies | None = None, calendar: DataFrame | None = None
) -> DataFrame:
    """since: the distinct starts s of the trailing periods that need a look at the history before them."""
    wanted = _wanted(ends, (), policies or {}, calendar, ())
    return wanted.where("track_no IS NOT NULL AND since > itd_start_date").select("since").distinct()


def _to_date(ends: DataFrame, key: Sequence[str], policies: Policies) -> DataFrame:
    first_month = per_tenant(policies, "fiscal_year_start_month")
    each = []
    for name, months in {**TO_DATE, "ITD": 0}.items():
        p = name.lower()
        back = f"pmod(month(as_of_date) - {first_month}, {months})" if months else "0"
        first_day = f"trunc(add_months(as_of_date, -{back}), 'MM')"
        figures = _sums(*(f"{p}_{what}" for what in START)) | {
            "twrr": f"twrr_{p}",
            "twrr_gross": f"twrr_{p}_gross",
            "twrr_annualised": _annualised(f"twrr_{p}", f"{p}_start_date"),
            "is_partial": f"inception_date > {first_day}" if months else "false",
        }
        each.append(_struct(f"'{name}' AS period", figures, "track_no IS NOT NULL"))
    return ends.selectExpr(*key, "as_of_date", "epoch", f"inline(array({', '.join(each)}))")


def _wanted(
    ends: DataFrame,
    key: Sequence[str],
    policies: Policies,
    calendar: DataFrame | None,
    ranges: Sequence[tuple[str, date]],
) -> DataFrame:
    """A row per row of `ends` and trailing period or range: its columns, period, years and since."""
    periods = []
    for name, years in TRAILING.items():
        back = f"add_months(as_of_date, {-12 * years})"
        periods.append(Trailing(name, f"IF(is_month_end, last_day({back}), {back})", years))
    periods += [Trailing(name, f"DATE '{since}'") for name, since in ranges]
    each = ", ".join(
        f"struct('{p.name}' AS period, CAST({p.years or 'NULL'} AS INT) AS years, {p.since} AS since)" for p in periods
    )
    tenant = [] if "tenant_id" in key else ["tenant_id"]
    dated = _with_month_end(ends.select(*tenant, *key, *END), calendar)
    return dated.selectExpr(*key, *END, f"inline(array({each}))")


def _with_month_end(ends: DataFrame, calendar: DataFrame | None) -> DataFrame:
    """`ends` with is_month_end: on or after the last business day of its month."""
    own = with_business_days(ends, "as_of_date", calendar)
    last = own.selectExpr(*ends.columns, "business_day_no AS own_no", "last_day(as_of_date) AS month_end")
    numbered = with_business_days(last, "month_end", calendar)
    return numbered.selectExpr(*ends.columns, "own_no = business_day_no AS is_month_end")


def _looked_up(wanted: DataFrame, history: DataFrame, key: Sequence[str]) -> DataFrame:
    """`wanted` with start: the row of the same track in the week up to `since`, NULL where there is none.

    Rows and questions are sorted together by account and date, so that each question sees the last row before it.
    """
    start = (
        "struct(as_of_date AS start_date, end_market_value AS start_value, cumulative_net_flow AS start_flow,"
        " cumulative_fees AS start_fees, chain_net AS net, chain_gross AS gross)"
    )
    rows = history.where("track_no IS NOT NULL").selectExpr(
        *key, "as_of_date AS day", "0 AS kind", "track_no AS of_track", f"{start} AS known"
    )
    asked = wanted.selectExpr(
        *key, "since AS day", "1 AS kind", f"struct({', '.join([*END, 'period', 'years', 'since'])}) AS asked"
    )
    so_far = f"OVER (PARTITION BY {', '.join(key)} ORDER BY day, kind ROWS UNBOUNDED PRECEDING)"
    found = rows.unionByName(asked, allowMissingColumns=True).selectExpr(
        *key,
        "asked",
        f"last(IF(kind = 0, struct(of_track, known), NULL), true) {so_far} AS last",
    )
    is_near = f"last.of_track = track_no AND last.known.start_date >= date_sub(since, {GRACE_DAYS})"
    return (
        found.where("asked IS NOT NULL")
        .selectExpr(*key, "asked.*", "last")
        .selectExpr("* EXCEPT (last)", f"IF({is_near}, last.known, NULL) AS start")
    )


def _trailing_figures(key: Sequence[str]) -> list[str]:
    """The columns of a trailing period or range from its end row and `start`, the row that it starts from."""
    net = "IF(wiped_out_on > start.start_date, -1D, chain_net / start.net - 1D)"
    gross = "IF(wiped_out_gross_on > start.start_date, -1D, chain_gross / start.gross - 1D)"
    by_years = f"IF(years > 1, power(1D + {net}, 1D / years) - 1D, NULL)"
    figures = _sums(*(f"start.{what}" for what in START)) | {
        "twrr": net,
        "twrr_gross": gross,
        "twrr_annualised": f"IF(years IS NULL, {_annualised(net, 'start.start_date')}, {by_years})",
        "is_partial": "false",
    }
    return [*key, "as_of_date", "epoch", f"inline(array({_struct('period', figures, 'start IS NOT NULL')}))"]


def _sums(start: str, value: str, flow: str, fees: str) -> dict[str, str]:
    """What a period moved, from the columns of its start and the row at its end."""
    net_flow = difference("cumulative_net_flow", flow)
    return {
        "start_date": start,
        "begin_market_value": value,
        "net_flow": net_flow,
        "fees": difference("cumulative_fees", fees),
        "end_market_value": "end_market_value",
        "gain_loss": difference(difference("end_market_value", value), net_flow),
    }


def _struct(period: str, figures: dict[str, str], is_ok: str) -> str:
    values = ", ".join(f"IF({is_ok}, {value}, NULL) AS {name}" for name, value in figures.items())
    status = f"CASE WHEN {is_ok} THEN 'ok' WHEN track_no IS NOT NULL THEN 'insufficient_history' ELSE status END"
    return f"struct({period}, {values}, {status} AS status)"


def _annualised(cumulative: str, start: str) -> str:
    """(1 + cumulative)^(1 / years) - 1 beyond one year, years being calendar days / 365.25."""
    years = f"(datediff(as_of_date, {start}) / 365.25D)"
    return f"IF(as_of_date > add_months({start}, 12), power(1D + {cumulative}, 1D / {years}) - 1D, NULL)"

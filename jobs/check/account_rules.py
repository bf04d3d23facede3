"""The rules about single accounts: what each measures on an account's day, and what it says where that is too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.check.account_days import INWARD
from jobs.check.tolerances import Measure, Tolerances
from jobs.check.verdict import verdict

EXPECTED = ", expected "  # in a reason, between what was found and what the rule allows


@dataclass(frozen=True)
class AccountRule:
    """A measure: the size of what is wrong per unit (SQL, not negative; a row is judged where `when` is true), and in
    words (SQL of a text, of rows that are judged, to which the expected limits are added)."""

    measure: Measure
    amounts: dict[str, str]
    when: str
    words: str


MOVE = "(market_value - before_value - net_flow)"
VALUES = [
    AccountRule(
        "value_jump",
        {"money": f"abs({MOVE})", "fraction": f"abs(CAST({MOVE} AS DOUBLE) / CAST(before_value AS DOUBLE))"},
        "before_value > 0",
        f"""concat('value moved by ', format_number(100 * CAST({MOVE} AS DOUBLE) / CAST(before_value AS DOUBLE), 1),
            ' % since ', since, ' without a flow')""",
    ),
    AccountRule(
        "negative_value",
        {"money": "-market_value"},
        "market_value < 0",
        "concat('the value is ', format_number(market_value, 2))",
    ),
    AccountRule(
        # A flow is E - B - gain: beyond |B| + |E| by as much as the gain alone explains.
        "flow_share",
        {
            "money": "abs(net_flow)",
            "fraction": """coalesce(try_divide(CAST(abs(net_flow) AS DOUBLE),
                           CAST(abs(before_value) + abs(market_value) AS DOUBLE)), double('infinity'))""",
        },
        "net_flow <> 0",
        """concat('the flow since ', since, ' is ', coalesce(format_number(try_divide(CAST(abs(net_flow) AS DOUBLE),
           CAST(abs(before_value) + abs(market_value) AS DOUBLE)), 2), 'infinitely many'),
           ' times the values before and after it')""",
    ),
]
STALE_VALUE = AccountRule(
    "stale_value",
    {"days": "unchanged_days"},
    "unchanged_days IS NOT NULL AND NOT market_value <=> cash_value AND market_value <> 0",  # cash alone does not move
    "concat('the value has not changed for ', unchanged_days, ' business days')",
)
TWINS = AccountRule(
    "duplicate_account",
    {"rows": "twins"},
    "twins > 1",
    "concat(twins, ' accounts of this vendor have one name and one value')",
)
SIGN = AccountRule(
    "sign_of_type",
    {"money": "wrong_amount"},
    "wrong_amount IS NOT NULL",
    f"""concat('a ', wrong_type, ' of ', format_number(wrong_amount, 2), ' goes ',
       IF(wrong_type IN {tuple(INWARD)}, 'out', 'in'))""",
)
UNKNOWN = AccountRule(
    "unknown_security",
    {"rows": "unknown"},
    "unknown > 0",
    "concat(unknown, IF(unknown = 1, ' row is', ' rows are'), ' in a security that nobody described: ', unknown_id)",
)
STALE_PRICE = AccountRule(
    "stale_price",
    {"days": "stale_days"},
    "stale_days IS NOT NULL",
    "concat('the price of ', stale_id, ' has not changed for ', stale_days, ' business days')",
)
MISSING = AccountRule(
    "missing_accounts",
    {"days": "overdue"},
    "overdue > 0",
    "concat('valued last on ', last_date, ', ', overdue, ' business days late')",
)
BOOKINGS, POSITIONS = [SIGN, UNKNOWN], [UNKNOWN, STALE_PRICE]


def judged(days: DataFrame, rules: Sequence[AccountRule], tolerances: Tolerances, table: str) -> DataFrame:
    """What the rules find on the days of accounts, a row per finding: tenant_id, account_id, as_of_date, rule, reason,
    severity, state (held or flagged).

    days: tenant_id, vendor, feed, account_id, as_of_date, and what the rules measure; all of them are judged in one
    pass. `table`: the table of silver that the rows are of.
    """
    found = [
        F.struct(_verdict(rule, named, table).alias("verdict"), _words(rule).alias("words"))
        for rule in rules
        for named in by_name(tolerances, rule.measure)
    ]
    each = days.select(
        "tenant_id",
        "account_id",
        "as_of_date",
        F.explode(F.filter(F.array(*found), lambda one: one["verdict"].isNotNull())).alias("found"),
    )
    return each.select(
        "tenant_id",
        "account_id",
        "as_of_date",
        F.col("found.verdict.rule").alias("rule"),
        F.concat("found.words", F.lit(EXPECTED), "found.verdict.expected").alias("reason"),
        F.col("found.verdict.severity").alias("severity"),
        F.when(F.col("found.verdict.severity") == "hold", "held").otherwise("flagged").alias("state"),
    )


def by_name(tolerances: Tolerances, measure: Measure) -> list[Tolerances]:
    """The tolerances of each rule for a measure: what breaks two of them is told of both."""
    rules = tolerances.of(measure)
    names = sorted({rule.name for rule in rules})
    return [tolerances.model_copy(update={"rules": [one for one in rules if one.name == name]}) for name in names]


def _verdict(rule: AccountRule, tolerances: Tolerances, table: str) -> F.Column:
    amounts = {unit: F.expr(amount) for unit, amount in rule.amounts.items()}
    return F.when(F.expr(rule.when), verdict(tolerances, rule.measure, amounts, table=table, on=F.col("as_of_date")))


def _words(rule: AccountRule) -> F.Column:
    """In words what a judged row is like; of others the words may have no sense, as a share of nothing has none."""
    return F.when(F.expr(rule.when), F.expr(rule.words))

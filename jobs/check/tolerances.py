"""Tolerances: the model of `conf/tolerances.yaml`, and which rule is in force for a feed on a date."""

from __future__ import annotations

import difflib
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from jobs.check.materiality import Materiality
from jobs.platform import schemas
from jobs.platform.mapping import load_mappings
from jobs.platform.settings import Settings
from jobs.platform.yaml_model import StrictModel, load_yaml

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Severity = Literal["warn", "hold", "fail"]
# deviations: of the account's own daily returns; excess: a fraction above or below the benchmark's return
Unit = Literal["rows", "share", "fraction", "bps", "money", "days", "deviations", "excess", "quantity"]
Measure = Literal[
    "quarantined_share",
    "row_count",
    "empty_share",
    "repeated_keys",
    "outside_values",
    "wrong_sign",
    "unknown_currency",
    "fx_move",
    "value_jump",
    "negative_value",
    "flow_share",
    "stale_value",
    "stale_price",
    "missing_accounts",
    "duplicate_account",
    "unknown_security",
    "sign_of_type",
    "return_beyond",
    "tiny_capital",
    "begin_value_difference",
    "end_value_difference",
    "net_flow_difference",
    "daily_return_difference",
    "mtd_return_difference",
    "roll_forward_difference",
    "holdings_difference",
    "position_quantity_difference",
    "position_value_difference",
    "cash_difference",
    "source_value_difference",
    "account_new",
    "account_missing",
    "closed_balance",
    "account_reopened",
    "account_renumbered",
    "account_changed",
]

SEVERITIES: list[Severity] = ["warn", "hold", "fail"]  # from the mildest

# What each measure is about decides which severities mean anything: a feed is withheld, an account is held.
DELIVERY: dict[str, list[Unit]] = {"quarantined_share": ["share"], "row_count": ["fraction"], "fx_move": ["fraction"]}
ROWS: dict[str, list[Unit]] = {
    "empty_share": ["share", "rows"],
    "repeated_keys": ["share", "rows"],
    "outside_values": ["share", "rows"],
    "wrong_sign": ["share", "rows"],
    "unknown_currency": ["share", "rows"],
}
ACCOUNT: dict[str, list[Unit]] = {
    "value_jump": ["fraction", "money"],
    "negative_value": ["money"],
    "flow_share": ["fraction", "money"],
    "stale_value": ["days"],
    "stale_price": ["days"],
    "missing_accounts": ["days"],
    "duplicate_account": ["rows"],
    "unknown_security": ["rows"],
    "sign_of_type": ["money"],
}
RESULT: dict[str, list[Unit]] = {
    "return_beyond": ["fraction", "deviations", "excess"],
    "tiny_capital": ["money", "fraction"],
}
RECONCILED: dict[str, list[Unit]] = {
    "begin_value_difference": ["money", "bps"],
    "end_value_difference": ["money", "bps"],
    "net_flow_difference": ["money", "bps"],
    "daily_return_difference": ["bps"],
    "mtd_return_difference": ["bps"],
    "roll_forward_difference": ["money", "bps"],
    "holdings_difference": ["money", "bps"],
    "position_quantity_difference": ["quantity", "bps"],
    "position_value_difference": ["money", "bps"],
    "cash_difference": ["money", "bps"],
}
# Vendors' accounts against our records. renumbered: the confidence of the proposal; missing: dates of the vendor.
MASTER: dict[str, list[Unit]] = {
    "source_value_difference": ["money", "bps"],
    "account_new": ["rows"],
    "account_missing": ["days"],
    "closed_balance": ["money"],
    "account_reopened": ["rows"],
    "account_renumbered": ["fraction"],
    "account_changed": ["rows"],
}
UNITS = {**DELIVERY, **ROWS, **ACCOUNT, **RESULT, **RECONCILED, **MASTER}
ANY = "any"
# The tables whose rows a measure is of; those of the measures that are left out count in every table.
TABLES: dict[str, list[str]] = {
    "fx_move": ["fx_rate"],
    "value_jump": ["valuation"],
    "negative_value": ["valuation"],
    "flow_share": ["valuation"],
    "stale_value": ["valuation"],
    "stale_price": ["position"],
    "missing_accounts": ["valuation"],
    "duplicate_account": ["valuation"],
    "unknown_security": ["transaction", "position"],
    "sign_of_type": ["transaction"],
    "return_beyond": ["account_performance_daily"],
    "tiny_capital": ["account_performance_daily"],
    "begin_value_difference": ["reported_performance"],
    "end_value_difference": ["reported_performance"],
    "net_flow_difference": ["reported_performance"],
    "daily_return_difference": ["reported_performance"],
    "mtd_return_difference": ["reported_performance"],
    "roll_forward_difference": ["reported_performance"],
    "holdings_difference": ["position"],
    "position_quantity_difference": ["position"],
    "position_value_difference": ["position"],
    "cash_difference": ["valuation", "cash_balance"],
    "source_value_difference": ["valuation"],
    "account_new": ["valuation"],
    "account_missing": ["valuation"],
    "closed_balance": ["valuation"],
    "account_reopened": ["account"],
    "account_renumbered": ["valuation"],
    "account_changed": ["account"],
}


class Limit(StrictModel):
    """What a measure may be, in a unit; NULL on a side means unbounded there."""

    unit: Unit
    min: Decimal | None = None
    max: Decimal | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Limit:
        if self.min is None and self.max is None:
            raise ValueError("a limit needs min or max")
        for name, bound in (("min", self.min), ("max", self.max)):
            if bound is not None and bound < 0:
                raise ValueError(f"{name} {bound} is negative: every measure is a size, gains and losses alike")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        return self

    def in_words(self) -> str:
        """`at most 0.05 share`, `between 0.5 and 2 fraction`."""
        if self.min is not None and self.max is not None:
            return f"between {self.min} and {self.max} {self.unit}"
        return f"at most {self.max} {self.unit}" if self.min is None else f"at least {self.min} {self.unit}"


class Scope(StrictModel):
    """Where something holds; what is left out means everywhere."""

    tenant: str | None = None
    vendor: str | None = None
    feed: str | None = None

    @field_validator("vendor")
    @classmethod
    def _is_vendor(cls, word: str | None) -> str | None:
        return word and _one_of("vendor", word, sorted({mapping.vendor for mapping in load_mappings().values()}))

    @field_validator("feed")
    @classmethod
    def _is_feed(cls, word: str | None) -> str | None:
        return word and _one_of("feed", word, list(load_mappings()))

    def covers(self, tenant: str, vendor: str, feed: str) -> bool:
        return all(
            wanted is None or wanted == given
            for wanted, given in ((self.tenant, tenant), (self.vendor, vendor), (self.feed, feed))
        )


class Rule(Scope):
    """One entry of `rules`."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="entries with one name are versions of one rule")
    measure: Measure
    applies_to: str = Field(default=ANY, description="a table, a feed, or any")
    columns: list[str] = Field(default=[], description="columns meant, where the schema does not say it")
    limits: list[Limit] = Field(min_length=1)
    account_class: str | None = Field(default=None, description="one of `account_classes`; without it every account")
    over_dates: int = Field(default=20, ge=1, description="dates looked back on by row_count and return_beyond")
    at_least_dates: int = Field(default=5, ge=1, description="dates below which there is no average or deviation")
    severity: Severity
    reason: str = Field(min_length=10)
    valid_from: date | None = None
    valid_to: date | None = None

    @field_validator("applies_to")
    @classmethod
    def _is_table_or_feed(cls, word: str) -> str:
        results = sorted({table for measure in RESULT for table in TABLES[measure]})
        return _one_of("table or feed", word, [ANY, *_tables(), *results, *load_mappings()])

    @model_validator(mode="after")
    def _severity_suits_the_measure(self) -> Rule:
        if self.measure in {**RECONCILED, **MASTER} and self.severity == "fail":
            raise ValueError("a difference is about one account: severity is warn or hold, not fail")
        if self.measure in {*ACCOUNT, *RESULT} and self.severity == "fail":
            raise ValueError("the measure is about one account: severity is warn or hold, not fail")
        if self._is_about_a_feed and self.severity == "hold":
            raise ValueError("the measure is about a feed, not an account: severity is warn or fail, not hold")
        if self.account_class is not None and self._is_about_a_feed:
            raise ValueError("the measure is about a feed, not an account: account_class means nothing")
        return self

    @model_validator(mode="after")
    def _limits_suit_the_measure(self) -> Rule:
        if self._is_about_a_feed and len(self.limits) != 1:
            raise ValueError(f"measure {self.measure} takes one limit")
        for limit in self.limits:
            if limit.unit not in UNITS[self.measure]:
                raise ValueError(
                    f"measure {self.measure} is in {' or '.join(UNITS[self.measure])}, not in {limit.unit}"
                )
        if self.measure == "return_beyond" and not any(limit.unit == "fraction" for limit in self.limits):
            raise ValueError("return_beyond needs a limit in fraction beside others: it says whose past is looked up")
        return self

    @model_validator(mode="after")
    def _comes_into_force(self) -> Rule:
        if self.valid_from is not None and self.valid_to is not None and self.valid_from > self.valid_to:
            raise ValueError(f"valid_from {self.valid_from} is after valid_to {self.valid_to}")
        looks_back = self.measure == "row_count" or any(limit.unit == "deviations" for limit in self.limits)
        if looks_back and self.at_least_dates > self.over_dates:
            raise ValueError(
                f"at_least_dates {self.at_least_dates} is above over_dates {self.over_dates}: there is never an average"
            )
        return self

    @model_validator(mode="after")
    def _table_suits_the_measure(self) -> Rule:
        of = TABLES.get(self.measure, _tables())
        if self.applies_to != ANY and self.applies_to not in {*of, *load_mappings()}:
            of_rows = f"of rows of {' and '.join(of)}" if self.measure in TABLES else "of what is delivered"
            raise ValueError(f"measure {self.measure} is {of_rows}, not of {self.applies_to}")
        return self

    @model_validator(mode="after")
    def _columns_suit_the_measure(self) -> Rule:
        if self.columns and self.measure != "empty_share":
            raise ValueError("columns are for the measure empty_share")
        if self.columns and self.applies_to not in _tables():
            raise ValueError("columns need applies_to to name their table")
        for column in self.columns:
            names = schemas.table(self.applies_to).names
            if column not in names:
                raise ValueError(_unknown(f"column of {self.applies_to}", column, names))
        if self.measure == "quarantined_share" and self.applies_to in _tables():
            raise ValueError("what was quarantined is counted per feed: applies_to is a feed or any")
        return self

    @property
    def _is_about_a_feed(self) -> bool:
        return self.measure in ROWS or self.measure in DELIVERY

    @property
    def weight(self) -> tuple[bool, bool, bool, bool, bool]:
        """Orders entries of one name: the account's class says most, then feed, vendor, tenant and table."""
        scope = (self.account_class, self.feed, self.vendor, self.tenant)
        named = tuple(word is not None for word in scope)
        return named[0], named[1], named[2], named[3], self.applies_to != ANY

    def in_force_on(self, day: date) -> bool:
        return (self.valid_from or date.min) <= day <= (self.valid_to or date.max)


class AccountClass(StrictModel):
    """A class of accounts that rules may differ for: those that follow one of these model portfolios."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    model_id: list[str] = Field(min_length=1, description="as in silver.account; of two classes the first counts")
    reason: str = Field(min_length=10)


class Ceiling(Scope):
    """The severity that no rule exceeds in a scope."""

    severity: Severity
    reason: str = Field(min_length=10)


class Tolerances(StrictModel):
    """The whole file."""

    rules: list[Rule]
    account_classes: list[AccountClass] = []
    ceilings: list[Ceiling] = []
    materiality: list[Materiality] = []
    _classes: DataFrame | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _no_two_rules_for_one_case(self) -> Tolerances:
        for position, rule in enumerate(self.rules):
            for other in self.rules[:position]:
                if rule.name == other.name and rule.measure != other.measure:
                    raise ValueError(f"rule '{rule.name}' has two measures, {other.measure} and {rule.measure}")
                if _scope(rule) == _scope(other) and _overlap(rule, other):
                    raise ValueError(f"rule '{rule.name}' stands twice for the same scope and dates")
        classes = [one.name for one in self.account_classes]
        if len(set(classes)) < len(classes):
            raise ValueError("two account classes have one name")
        for rule in self.rules:
            if rule.account_class is not None:
                _one_of("account class", rule.account_class, classes)
        tenants = [one.tenant for one in self.materiality]
        if len(set(tenants)) < len(tenants):
            raise ValueError("materiality stands twice for the same tenant")
        return self

    def in_force(self, measure: Measure, *, table: str, tenant: str, vendor: str, feed: str, on: date) -> list[Rule]:
        """Per rule name the most specific entry for this measure, with its severity under the ceilings."""
        best: dict[str, Rule] = {}
        for rule in self.rules:
            meant = rule.applies_to in {ANY, table, feed}
            if rule.measure == measure and meant and rule.covers(tenant, vendor, feed) and rule.in_force_on(on):
                known = best.get(rule.name)
                if known is None or rule.weight > known.weight:
                    best[rule.name] = rule
        return [self._under_ceilings(rule, tenant, vendor, feed) for rule in best.values()]

    @property
    def classes(self) -> DataFrame | None:
        """tenant_id, account_id, account_class of the accounts of a class; None: nobody has said (`classes.py`)."""
        return self._classes

    def with_classes(self, classes: DataFrame) -> Tolerances:
        """The same tolerances with `classes` as its property says; those of others, which share the file, stay."""
        known = self.model_copy()
        known._classes = classes
        return known

    def has(self, *measures: Measure) -> bool:
        """Whether a rule is about one of these measures."""
        return any(rule.measure in measures for rule in self.rules)

    def of(self, *measures: Measure) -> list[Rule]:
        return [rule for rule in self.rules if rule.measure in measures]

    def _under_ceilings(self, rule: Rule, tenant: str, vendor: str, feed: str) -> Rule:
        bounds = [c.severity for c in self.ceilings if c.covers(tenant, vendor, feed)]
        mildest = min([rule.severity, *bounds], key=SEVERITIES.index)
        return rule.model_copy(update={"severity": mildest})


class Currencies(StrictModel):
    """Model of `conf/currencies.yaml`."""

    codes: list[str]


def load_tolerances(settings: Settings) -> Tolerances:
    """The tolerances of the configuration. Raises ConfigError with file, line and the nearest right word."""
    return _load(settings.conf_folder / "tolerances.yaml")


def load_currencies(settings: Settings) -> list[str]:
    """Currency codes that exist."""
    return load_yaml(settings.conf_folder / "currencies.yaml", Currencies).codes


@cache
def _load(path: Path) -> Tolerances:
    return load_yaml(path, Tolerances)


def _scope(rule: Rule) -> tuple[str | None, ...]:
    return rule.name, rule.tenant, rule.vendor, rule.feed, rule.applies_to, rule.account_class


def _overlap(one: Rule, other: Rule) -> bool:
    starts = max(one.valid_from or date.min, other.valid_from or date.min)
    ends = min(one.valid_to or date.max, other.valid_to or date.max)
    return starts <= ends


def _tables() -> list[str]:
    return [table.table for table in schemas.tables("silver")]


def _one_of(what: str, word: str, known: list[str]) -> str:
    if word not in known:
        raise ValueError(_unknown(what, word, known))
    return word


def _unknown(what: str, word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"no {what} '{word}'" + (f"; did you mean '{near[0]}'?" if near else "")

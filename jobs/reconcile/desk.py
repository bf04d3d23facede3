"""Who looks after a break, how old and how large it is: the model of `conf/breaks.yaml`, and its rules as columns."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path

from pydantic import Field, field_validator, model_validator
from pyspark.sql import Column
from pyspark.sql import functions as F

from jobs.check.materiality import Below
from jobs.check.tolerances import Scope
from jobs.platform import schemas
from jobs.platform.settings import Settings
from jobs.platform.yaml_model import StrictModel, load_yaml, one_of

NAME = r"^[a-z][a-z0-9_]*$"
BY_RULE = "rule"  # in assigned_by, where no person has assigned the break
IN_UNITS = ["position_quantity"]  # types whose difference is a quantity and no money


class _Whose(Scope):
    """A tenant, a vendor, both, or (left out) all."""

    @model_validator(mode="after")
    def _of_no_feed(self) -> _Whose:
        if self.feed is not None:
            raise ValueError("a break is a vendor's, not a feed's: name the vendor")
        return self

    @property
    def weight(self) -> tuple[bool, bool]:
        return self.vendor is not None, self.tenant is not None

    def column(self) -> Column:
        """Whether the scope takes in a row (tenant_id, vendor)."""
        covers = F.lit(True)
        for name, value in (("tenant_id", self.tenant), ("vendor", self.vendor)):
            covers = covers & (F.col(name) == value) if value is not None else covers
        return covers


class AgeBand(StrictModel):
    """Breaks younger than `below` business days."""

    name: str = Field(pattern=NAME)
    below: int | None = Field(
        default=None, ge=1, description="business days; left out in the last, which takes the rest"
    )


class SizeBand(StrictModel):
    """Breaks that stay below an amount of money; returns, and quantities, below basis points."""

    name: str = Field(pattern=NAME)
    below: Below | None = Field(default=None, description="left out in the last band, which takes in all the rest")


class Bands(_Whose):
    """The bands of a scope, by age and by materiality; the entry that says most of a break counts."""

    age: list[AgeBand] = Field(min_length=1)
    materiality: list[SizeBand] = Field(min_length=1)
    reason: str = Field(min_length=10)

    @model_validator(mode="after")
    def _leave_no_gap(self) -> Bands:
        for bands in (self.age, self.materiality):
            *bounded, last = bands
            if last.below is not None:
                raise ValueError(f"band '{last.name}' is the last: without `below`, so that every break is in a band")
            if open_ended := [one.name for one in bounded if one.below is None]:
                raise ValueError(f"band '{open_ended[0]}' needs `below`: only the last is without")
            if len({one.name for one in bands}) < len(bands):
                raise ValueError("two bands have one name")
        ages = [one.below for one in self.age if one.below is not None]
        sizes = [one.below.given for one in self.materiality if one.below is not None]
        if any(later <= earlier for earlier, later in pairwise(ages)):
            raise ValueError(f"ages must rise from band to band, found {', '.join(map(str, ages))}")
        for earlier, later in pairwise(sizes):
            if set(earlier) != set(later) or any(later[unit] <= earlier[unit] for unit in later):
                raise ValueError("materiality must rise from band to band, in the same measures")
        return self

    def age_band(self, days: int) -> str:
        """The band of a break that is so many business days old."""
        return next(band.name for band in self.age if band.below is None or days < band.below)


class DeskRule(_Whose):
    """Breaks that go to a desk; the first rule that takes a break in decides."""

    desk: str = Field(min_length=1)
    types: list[str] = Field(default=[], description="types of breaks; empty: all")
    over: Below | None = Field(default=None, description="only breaks of at least this size: money; of returns bps")
    reason: str = Field(min_length=10)

    @field_validator("types")
    @classmethod
    def _are_types(cls, words: list[str]) -> list[str]:
        known = schemas.table("reconciliation_break").column("type").values
        return [one_of("type of break", word, known) for word in words]


class BreaksConf(StrictModel):
    """Model of `conf/breaks.yaml`."""

    bands: list[Bands] = []
    desks: list[DeskRule] = []

    @model_validator(mode="after")
    def _one_entry_per_scope(self) -> BreaksConf:
        scopes = [(one.tenant, one.vendor) for one in self.bands]
        if len(set(scopes)) < len(scopes):
            raise ValueError("bands stand twice for the same tenant and vendor")
        return self

    def bands_of(self, tenant: str, vendor: str) -> Bands | None:
        """The bands of a break of this tenant and vendor."""
        fitting = [one for one in self.bands if one.covers(tenant, vendor, "")]
        return max(fitting, key=lambda one: one.weight, default=None)


@dataclass(frozen=True)
class Desk:
    """The rules as columns of a row with tenant_id, vendor, type, difference, difference_bps and age_days."""

    conf: BreaksConf

    def owner(self) -> Column:
        """The desk that the break goes to; NULL where no rule takes it in."""
        chosen = F.lit(None).cast("string")
        for rule in reversed(self.conf.desks):
            takes = rule.column()
            if rule.types:
                takes = takes & F.col("type").isin(rule.types)
            if rule.over is not None:
                takes = takes & ~_stays_below(rule.over, otherwise=True)
            chosen = F.when(takes, rule.desk).otherwise(chosen)
        return chosen

    def size_band(self) -> Column:
        """The band by materiality; NULL of a break that has no size."""
        has_size = F.col("difference").isNotNull() | F.col("difference_bps").isNotNull()
        return F.when(has_size, self._per_scope(lambda bands: _first_band(bands.materiality, _stays_below)))

    def age_band(self) -> Column:
        return self._per_scope(lambda bands: _first_band(bands.age, lambda below: F.col("age_days") < below))

    def _per_scope(self, column) -> Column:  # type: ignore[no-untyped-def]
        chosen = F.lit(None).cast("string")
        for bands in sorted(self.conf.bands, key=lambda one: one.weight):
            chosen = F.when(bands.column(), column(bands)).otherwise(chosen)
        return chosen


def load_breaks(settings: Settings) -> BreaksConf:
    """`conf/breaks.yaml`; without one there are no bands and no desks. Raises ConfigError with file and line."""
    path = settings.conf_folder / "breaks.yaml"
    return _load(path) if path.exists() else BreaksConf()


@cache
def _load(path: Path) -> BreaksConf:
    return load_yaml(path, BreaksConf)


def _first_band(bands, stays_below) -> Column:  # type: ignore[no-untyped-def]
    *bounded, last = bands
    chosen = F.lit(last.name)
    for band in reversed(bounded):
        chosen = F.when(F.coalesce(stays_below(band.below), F.lit(False)), band.name).otherwise(chosen)
    return chosen


def _stays_below(below: Below, *, otherwise: bool = False) -> Column:
    """Money by the bound in money; returns and quantities, and money where none is given, by basis points. Where it
    cannot be told, `otherwise`."""
    money: Decimal | None = below.money
    by_bps = F.abs("difference_bps") < F.lit(below.bps) if below.bps is not None else F.lit(None).cast("boolean")
    is_money = F.col("difference").isNotNull() & ~F.col("type").isin(IN_UNITS)
    by_size = by_bps if money is None else F.when(is_money, F.abs("difference") < F.lit(money)).otherwise(by_bps)
    return F.coalesce(by_size, F.lit(otherwise))

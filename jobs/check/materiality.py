"""Materiality: how large a restatement is, by half-open limits, and whether it goes out without being asked about."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field, model_validator

from jobs.platform.yaml_model import StrictModel


class Below(StrictModel):
    """What a change stays below, in every measure that is given. The limit itself belongs to the next class."""

    money: Decimal | None = Field(default=None, gt=0, description="largest change of a value, in the row's currency")
    bps: Decimal | None = Field(default=None, gt=0, description="largest change of a published return")

    @property
    def given(self) -> dict[str, Decimal]:
        return {name: bound for name, bound in (("money", self.money), ("bps", self.bps)) if bound is not None}


class MaterialityClass(StrictModel):
    """One class: what it takes in, and whether a restatement of it is published at once or waits for an approval."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    below: Below | None = Field(default=None, description="left out in the last class, which takes in all the rest")
    publish: bool = True


class Materiality(StrictModel):
    """The classes of a scope, from the smallest change up. They judge accounts: groups are classed
    too, but follow their members."""

    tenant: str | None = None
    classes: list[MaterialityClass] = Field(min_length=1)
    reason: str = Field(min_length=10)

    @model_validator(mode="after")
    def _leaves_no_gap(self) -> Materiality:
        *bounded, last = self.classes
        if last.below is not None:
            raise ValueError(f"class '{last.name}' is the last: without `below`, so that no change is of no class")
        names = [one.name for one in self.classes]
        if len(set(names)) < len(names):
            raise ValueError("two classes have one name")
        for smaller, larger in zip(self.classes, self.classes[1:], strict=False):
            if larger.publish and not smaller.publish:
                raise ValueError(f"'{smaller.name}' waits, so the larger '{larger.name}' must wait too")
        before: dict[str, Decimal] = {}
        for one in bounded:
            if one.below is None or not one.below.given:
                raise ValueError(f"class '{one.name}' needs `below` (money, bps or both): only the last is without")
            given = one.below.given
            if before and set(given) != set(before):
                raise ValueError(f"class '{one.name}' is bounded in other measures than the one before it")
            for measure, bound in given.items():
                if bound <= before.get(measure, Decimal(0)):
                    raise ValueError(f"class '{one.name}': {measure} {bound} is not above the class before it")
            before = given
        return self

    def class_sql(self, money: str, bps: str) -> str:
        """SQL: the class of a change as struct(name, place, publish); a change that cannot be told is of the last."""
        measures = {"money": money, "bps": bps}
        cases = []
        for place, one in enumerate(self.classes):
            whole = f"named_struct('name', '{one.name}', 'place', {place}, 'publish', {str(one.publish).lower()})"
            if one.below is None:
                cases.append(f"ELSE {whole}")
            else:
                tests = [f"abs({measures[measure]}) < {bound}" for measure, bound in one.below.given.items()]
                cases.append(f"WHEN {' AND '.join(tests)} THEN {whole}")
        return f"(CASE {' '.join(cases)} END)" if len(cases) > 1 else cases[0].removeprefix("ELSE ")


def in_force(entries: list[Materiality], tenant: str) -> Materiality | None:
    """The tenant's own entry, else the one for all."""
    fitting = [one for one in entries if one.tenant in (None, tenant)]
    return max(fitting, key=lambda one: one.tenant is not None, default=None)

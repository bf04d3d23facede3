"""What a benchmark is, where its levels alone do not say it: `conf/benchmarks/<benchmark_id>.yaml`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from jobs.platform.errors import ConfigError
from jobs.platform.settings import Settings
from jobs.platform.yaml_model import StrictModel, load_yaml


class Composition(StrictModel):
    """What a blend is made of from a day on."""

    effective_from: date = Field(description="first day whose return has these weights")
    weights: dict[str, Decimal] = Field(description="benchmark id: weight, a fraction; the weights add up to 1")

    @field_validator("weights")
    @classmethod
    def _add_up(cls, weights: dict[str, Decimal]) -> dict[str, Decimal]:
        if sum(weights.values()) != 1:
            raise ValueError(f"the weights add up to {sum(weights.values())}, expected 1")
        return weights


class BenchmarkDefinition(StrictModel):
    """Model of `conf/benchmarks/<benchmark_id>.yaml`; a benchmark without a file is one of levels."""

    benchmark_id: str = Field(description="as in the accounts' benchmark_id, and the file's name")
    name: str
    basis: Literal["price_return", "total_return"] = Field(description="whether income is reinvested")
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    kind: Literal["levels", "returns", "blended"] = Field(description="what is delivered, or that it is made of others")
    period: Literal["daily", "monthly"] = Field(default="daily", description="of kind returns: what one return covers")
    rebalancing: Literal["daily", "monthly"] = Field(default="daily", description="of a blend")
    history: list[Composition] = Field(default=[], description="of a blend: its compositions by date")

    @field_validator("history")
    @classmethod
    def _in_order(cls, history: list[Composition]) -> list[Composition]:
        days = [one.effective_from for one in history]
        if days != sorted(set(days)):
            raise ValueError("compositions must stand in order of effective_from, each date once")
        return history

    @model_validator(mode="after")
    def _blend_has_history(self) -> BenchmarkDefinition:
        if (self.kind == "blended") != bool(self.history):
            raise ValueError("history belongs to kind blended, which needs at least one composition")
        return self

    @property
    def components(self) -> set[str]:
        return {component for one in self.history for component in one.weights}

    def composition(self, day: date) -> Composition | None:
        """The composition in force on `day`; None before the first."""
        return next((one for one in reversed(self.history) if one.effective_from <= day), None)


Definitions = dict[tuple[str, str], BenchmarkDefinition]


def benchmark_definitions(settings: Settings, tenant_ids: Iterable[str]) -> Definitions:
    """The definitions that hold for each tenant, by (tenant_id, benchmark_id): those of `conf/benchmarks/`, and in
    their place those of `conf/benchmarks/<tenant_id>/`.

    Raises ConfigError naming the file where one is wrong, does not bear its benchmark's name, or blends what it cannot.
    """
    folder = settings.conf_folder / "benchmarks"
    found: Definitions = {}
    for tenant_id in tenant_ids:
        paths = {path.stem: path for place in (folder, folder / tenant_id) for path in sorted(place.glob("*.yaml"))}
        own = {benchmark_id: _read(path, benchmark_id) for benchmark_id, path in paths.items()}
        for benchmark_id, definition in own.items():
            _refuse_wrong_components(paths[benchmark_id], definition, own)
            found[tenant_id, benchmark_id] = definition
    return found


def _read(path: Path, benchmark_id: str) -> BenchmarkDefinition:
    definition = load_yaml(path, BenchmarkDefinition)
    if definition.benchmark_id != benchmark_id:
        raise ConfigError(f"{path}: describes benchmark '{definition.benchmark_id}', expected '{benchmark_id}'")
    return definition


def _refuse_wrong_components(path: Path, blend: BenchmarkDefinition, known: dict[str, BenchmarkDefinition]) -> None:
    """A blend of blends, of another currency or of another basis would be a wrong return that looks right."""
    for component in sorted(blend.components & set(known)):
        of = known[component]
        if of.kind == "blended":
            raise ConfigError(f"{path}: component '{component}' is itself a blend; name what it is made of")
        for what in ("currency", "basis"):
            if getattr(of, what) != getattr(blend, what):
                raise ConfigError(
                    f"{path}: component '{component}' has {what} {getattr(of, what)},"
                    f" expected {getattr(blend, what)} as in the blend"
                )

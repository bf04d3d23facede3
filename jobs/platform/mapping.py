"""Vendor mappings: the model of `vendor_mappings/<feed>.yaml`, the only place that knows a vendor's layout."""

from __future__ import annotations

import hashlib
import os
import re
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from jobs.platform import schemas
from jobs.platform.mapping_reader import CONVERTED, NAMED, Format, LineKind, LineRule, Pattern, Reader
from jobs.platform.settings import PROJECT_ROOT, FlowTiming
from jobs.platform.yaml_model import StrictModel, load_yaml

NumberStyle = Literal["plain", "us", "european", "swiss", "spaced", "trailing_sign"]


class Fingerprint(StrictModel):
    """How a file of the feed is recognised by its content; the name only adds to the score."""

    required: list[str] = Field(default=[], description="titles that the header must hold, or names of fields")
    forbidden: list[str] = Field(default=[], description="titles that a sibling feed has and this one must not")
    signature: Pattern | None = Field(default=None, description="pattern that one of the first lines must match")
    name_hint: Pattern | None = Field(default=None, description="pattern that the file's name usually matches")

    @model_validator(mode="after")
    def _some_evidence(self) -> Fingerprint:
        if not self.required and self.signature is None:
            raise ValueError("needs required titles or a signature: a name alone is no evidence")
        return self


class Capture(StrictModel):
    """A value that stands outside the record: in the preamble, a section's title line or the file's name."""

    source: Literal["preamble", "section", "file_name"] = Field(alias="from", description="where the value stands")
    match: Pattern = Field(description="pattern whose first group is the value")

    @field_validator("match")
    @classmethod
    def _one_group(cls, pattern: str) -> str:
        if re.compile(pattern).groups != 1:
            raise ValueError("needs exactly one group ( ), the value")
        return pattern


class CodeRule(StrictModel):
    """What one vendor word means: exactly one of `is`, `starts` or `matches`, and what it gives."""

    equals: str | None = Field(default=None, alias="is", description="the whole word, in any case")
    starts: str | None = Field(default=None, description="how the word begins, in any case")
    matches: Pattern | None = Field(default=None, description="a pattern that the whole word matches")
    sign: Literal["negative", "positive"] | None = Field(
        default=None, description="only where the amount of the code map has this sign"
    )
    gives: dict[str, str] = Field(description="answers, asked for as <map>.<name>")

    @model_validator(mode="after")
    def _one_test(self) -> CodeRule:
        if sum(test is not None for test in (self.equals, self.starts, self.matches)) != 1:
            raise ValueError("needs exactly one of is, starts, matches")
        return self


class Code(StrictModel):
    """A code map: the words of one title, tried in order."""

    title: str = Field(description="title of the word")
    amount: str | None = Field(default=None, description="title of the amount whose sign the rules ask for")
    rules: list[CodeRule] = Field(min_length=1, description="tried in order; no rule met: the row is quarantined")

    @model_validator(mode="after")
    def _signs_have_an_amount(self) -> Code:
        if self.amount is None and any(rule.sign for rule in self.rules):
            raise ValueError("a rule asks for a sign, so the code map needs 'amount'")
        return self


SOURCES = ("title", "context", "constant", "code", "account", "account_title", "same_as", "identity")


class ColumnSource(StrictModel):
    """Where a canonical column's text comes from and how it is read."""

    title: str | list[str] | None = Field(default=None, description="the column's title, or its titles over time")
    context: str | None = Field(default=None, description="a captured value")
    constant: str | None = Field(default=None, description="always this text")
    code: str | None = Field(default=None, description="a code map, as <map>.<what it gives>")
    account: str | None = Field(default=None, description="a captured vendor account number, looked up in account_xref")
    account_title: str | list[str] | None = Field(
        default=None,
        description="title (or its titles over time) of a vendor account number on the line, looked up in account_xref",
    )
    same_as: str | None = Field(default=None, description="another column of the same record")
    identity: list[str] | None = Field(
        default=None,
        description="columns that make an identifier, with an occurrence; beside `title`: where that is empty",
    )
    instead: str | None = Field(default=None, description="title that is read instead where `instead_when` says yes")
    instead_when: str | None = Field(default=None, description="<map>.<what it gives> that says 'yes'")
    otherwise: str | None = Field(default=None, description="column that stands in where this one is empty")
    decimals: int | None = Field(default=None, ge=1, le=8, description="implied decimals: 12345 with 2 is 123.45")
    unit: Literal["percent"] | None = Field(default=None, description="percent: 2.5 or 2.5% is kept as 0.025")
    part: Pattern | None = Field(default=None, description="pattern whose first group is the value within the cell")
    number: NumberStyle | None = Field(default=None, description="number style, where it is not `numbers`")
    date: str | None = Field(default=None, description="date format, such as MM/dd/yyyy")
    negate_when: str | None = Field(default=None, description="<map>.<what it gives> that says 'negative'")

    @property
    def titles(self) -> list[str]:
        title = self.account_title or self.title
        if title is None:
            return []
        return [*([title] if isinstance(title, str) else title), *([self.instead] if self.instead else [])]

    @property
    def own_titles(self) -> list[str]:
        """`titles` but the one of `instead`."""
        return self.titles[:-1] if self.instead else self.titles

    @property
    def looks_up_account(self) -> bool:
        return self.account is not None or self.account_title is not None

    @model_validator(mode="after")
    def _one_source(self) -> ColumnSource:
        given = {name for name in SOURCES if getattr(self, name) is not None}
        if len(given) != 1 and given != {"title", "identity"}:
            raise ValueError(f"needs exactly one of {', '.join(SOURCES)} (or title with identity to stand in)")
        if (self.instead is None) != (self.instead_when is None):
            raise ValueError("instead and instead_when belong together")
        return self


class Unpivot(StrictModel):
    """One record per title: wide files whose titles are values (currencies, dates)."""

    titles: Pattern = Field(description="pattern of the titles that become records")
    name: str = Field(description="column that takes the title")
    value: str = Field(description="column that takes the cell")
    skip_values: list[str] = Field(default=[], description="cells that mean no record")


class Target(StrictModel):
    """Records of one canonical table, made from the lines of one kind."""

    table: str = Field(description="canonical table, as in docs/data-dictionary.md")
    lines: LineKind = Field(default="record", description="kind of the lines that are its records")
    unpivot: Unpivot | None = Field(default=None, description="one record for each of several titles")
    later_line_wins: bool = Field(
        default=False, description="whether a key may come again in a file, the last counting"
    )
    columns: dict[str, ColumnSource] = Field(description="where each column comes from; left out: its default or NULL")

    @model_validator(mode="after")
    def _columns_exist(self) -> Target:
        known = {table.table: table for table in schemas.tables("silver")}
        if self.table not in known:
            raise ValueError(f"no table '{self.table}'; tables are {', '.join(sorted(known))}")
        names = {column.name for column in known[self.table].columns}
        made = {self.unpivot.name, self.unpivot.value} if self.unpivot else set()
        for name in [*self.columns, *made]:
            if name not in names:
                raise ValueError(f"table {self.table} has no column '{name}'; it has {', '.join(sorted(names))}")
        for column in known[self.table].columns:
            given = column.name in self.columns or column.name in made
            if not column.nullable and column.default is None and not given:
                raise ValueError(f"table {self.table} needs column '{column.name}'")
        return self


class Control(StrictModel):
    """What a file states about itself: a sum, a count or a hash total of its records, per section or file."""

    name: str = Field(description="what the control is called in messages")
    check: Literal["sum", "count", "hash"] = Field(
        default="sum", description="what is stated: a sum, the number of lines, or the sum of the digits as a number"
    )
    total_title: str = Field(default="", description="title that is summed over the record lines")
    stated_title: str | None = Field(default=None, description="title of the stated figure, where it is another")
    number: NumberStyle = Field(default="plain", description="how the figures are written")
    negate_when: str | None = Field(default=None, description="<map>.<what it gives> that says 'negative'")
    add_lines: list[LineKind] = Field(default=["record"], description="kinds of the lines that are added up")
    stated_on: LineKind | list[LineKind] = Field(default="total", description="kind of the line that states the figure")
    counts_besides: int = Field(default=0, description="lines that the stated count includes besides (header, trailer)")
    per: Literal["file", "section"] = Field(default="file", description="whether each section states its own")
    when_missing: Literal["refuse", "warn"] = Field(
        default="refuse", description="what a missing figure does to the file"
    )

    @property
    def stated_kinds(self) -> list[str]:
        return [self.stated_on] if isinstance(self.stated_on, str) else self.stated_on

    @property
    def stated(self) -> str:
        return self.stated_title or self.total_title

    @model_validator(mode="after")
    def _has_its_titles(self) -> Control:
        if not self.stated or (self.check != "count" and not self.total_title):
            raise ValueError("needs total_title (a count: stated_title)")
        return self


class Mapping(StrictModel):
    """One vendor feed."""

    vendor: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="who delivers; account numbers are looked up by it")
    feed: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="name of the feed, and of the file")
    meaning: str = Field(description="what the feed holds, for people")
    format: Format = Field(default="delimited", description="how the file is read")
    delivery: Literal["upsert", "snapshot", "log"] = Field(description="how a later file relates to an earlier one")
    marker: str | None = Field(default=None, description="suffix of the marker file that completes a delivery: .done")
    fingerprint: Fingerprint = Field(description="how a file is recognised")
    reader: Reader = Field(default=Reader(), description="bytes to lines, lines to cells")
    lines: list[LineRule] = Field(default=[], description="what kind a line is; the first rule that it meets decides")
    context: dict[str, Capture] = Field(default={}, description="values that stand outside the records")
    business_date: str | None = Field(default=None, description="the captured value that dates the file")
    business_date_format: str | None = Field(default=None, description="its date format, where it is not `dates`")
    numbers: NumberStyle = Field(default="plain", description="how numbers are written; what differs is quarantined")
    dates: str = Field(default="yyyy-MM-dd", description="how dates are written: yyyy, yy, MMMM, MMM, MM, dd")
    empty: list[str] = Field(default=[""], description="cells that mean 'nothing'")
    flow_timing: FlowTiming | None = Field(default=None, description="when this vendor's flows count in the day")
    codes: dict[str, Code] = Field(default={}, description="what the vendor's words mean")
    targets: list[Target] = Field(min_length=1, description="the tables that the feed fills")
    controls: list[Control] = Field(default=[], description="what the file states about itself, to be met")

    @property
    def is_named(self) -> bool:
        """Whether cells are found by name in each line, so that no header is asked for."""
        return self.format in NAMED

    @property
    def knows_all_kinds(self) -> bool:
        """Whether a line that meets no rule is an unknown record: one that ought to be mapped and is not."""
        return not (self.format in CONVERTED and self.is_named) and all(t.lines != "record" for t in self.targets)

    @property
    def has_header_line(self) -> bool:
        return self.format in {"delimited", "workbook"} and self.reader.header == "once"

    @property
    def known_names(self) -> set[str]:
        """Every title that the mapping reads, as it is written there."""
        named = {title for code in self.codes.values() for title in (code.title, code.amount) if title} | {
            title for control in self.controls for title in (control.total_title, control.stated) if title
        }
        for target in self.targets:
            for source in target.columns.values():
                named.update(source.titles)
        return named

    @property
    def known_titles(self) -> set[str]:
        """Every title that the mapping reads or names, normalised."""
        return {normalise_title(title) for title in {*self.fingerprint.required, *self.known_names}}

    def knows_title(self, title: str) -> bool:
        """Whether a title of a file means something to this mapping."""
        return normalise_title(title) in self.known_titles or any(
            target.unpivot and re.fullmatch(target.unpivot.titles, title) for target in self.targets
        )

    @model_validator(mode="after")
    def _references_exist(self) -> Mapping:
        for target in self.targets:
            for name, source in target.columns.items():
                for captured in (source.context, source.account):
                    if captured and captured not in self.context:
                        raise ValueError(f"{target.table}.{name}: nothing captured is called '{captured}'")
                for code in (source.code, source.negate_when, source.instead_when):
                    if code and code.split(".")[0] not in self.codes:
                        raise ValueError(f"{target.table}.{name}: no code map is called '{code.split('.')[0]}'")
        self._kinds_have_names()
        if self.business_date and self.business_date not in self.context:
            raise ValueError(f"business_date: nothing captured is called '{self.business_date}'")
        return self

    def _kinds_have_names(self) -> None:
        """Where no header names the cells, the reader must, for every kind of line that is read."""
        declared = self.reader.fields if self.format == "fixed" else self.reader.titles
        if self.format != "fixed" and (self.format in NAMED or self.reader.header != "none"):
            return
        for target in self.targets:
            names = {normalise_title(name) for name in declared.get(target.lines, ())}
            for name, source in target.columns.items():
                for title in source.titles:
                    if normalise_title(title) not in names:
                        raise ValueError(f"{target.table}.{name}: lines of kind '{target.lines}' have no '{title}'")


def normalise_title(title: str) -> str:
    """A title without BOM, outer blanks, units such as ' ($)' and case: what titles are compared by."""
    return re.sub(r"\s*\(\$\)$", "", title.replace("\ufeff", "").strip()).lower()


def mappings_folder() -> Path:
    """The folder of the mappings in force: `vendor_mappings/`, or the one that DIETZ_MAPPINGS names."""
    return Path(os.environ.get("DIETZ_MAPPINGS") or PROJECT_ROOT / "vendor_mappings").absolute()


def load_mappings(folder: Path | None = None) -> dict[str, Mapping]:
    """All mappings by feed, read once a process. Raises ConfigError with file and line for the first that is wrong."""
    return _load(folder or mappings_folder())


def mapping_version(feed: str, folder: Path | None = None) -> str:
    """Fingerprint of the mapping as it is used: changes when, and only when, what it says changes."""
    return _version(feed, folder or mappings_folder())


@cache
def _load(folder: Path) -> dict[str, Mapping]:
    found = (load_yaml(path, Mapping) for path in sorted(folder.glob("*.yaml")))
    return {mapping.feed: mapping for mapping in found}


@cache
def _version(feed: str, folder: Path) -> str:
    return hashlib.sha256(_load(folder)[feed].model_dump_json().encode()).hexdigest()[:12]

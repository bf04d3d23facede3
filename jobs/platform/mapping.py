"""Vendor mappings: the model of `vendor_mappings/<feed>.yaml`, the only place that knows a vendor's layout."""

from __future__ import annotations

import hashlib
import os
import re
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from jobs.platform import schemas
from jobs.platform.mapping_columns import Code, ColumnSource, DateFormat, DateFormats, NumberStyles, Unpivot
from jobs.platform.mapping_reader import CONVERTED, NAMED, Format, LineKind, LineRule, Pattern, Reader
from jobs.platform.settings import PROJECT_ROOT, FlowTiming
from jobs.platform.yaml_model import StrictModel, load_yaml


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


def exactly_one_group(pattern: str) -> str:
    """The pattern. Raises ValueError where it has no group, or several: the group is the value."""
    if re.compile(pattern).groups != 1:
        raise ValueError("needs exactly one group ( ), the value")
    return pattern


class Capture(StrictModel):
    """A value that stands outside the record: in the preamble, a section's title line, the file's name or its path."""

    source: Literal["preamble", "section", "file_name", "path"] = Field(
        alias="from", description="where the value stands; path: below the tenant's folder, as of a partition"
    )
    match: Pattern = Field(description="pattern whose first group is the value")

    @field_validator("match")
    @classmethod
    def _one_group(cls, pattern: str) -> str:
        return exactly_one_group(pattern)


class Target(StrictModel):
    """Records of one canonical table, made from the lines of one kind."""

    table: str = Field(description="canonical table, as in docs/data-dictionary.md")
    lines: LineKind = Field(default="record", description="kind of the lines that are its records")
    unpivot: Unpivot | None = Field(default=None, description="one record for each of several titles")
    later_line_wins: bool = Field(
        default=False, description="whether a key may come again in a file, the last counting"
    )
    newest_by: str | None = Field(
        default=None,
        description="title of a stamp (as text that sorts, such as ISO 8601 in UTC): of a key's records that one run "
        "takes, those with an earlier one count for nothing, wherever they stand",
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
        for name, source in self.columns.items():
            if source.unpivoted and (self.unpivot is None or name not in made):
                raise ValueError(f"column '{name}' is not one of 'unpivot'")
        for column in known[self.table].columns:
            given = column.name in self.columns or column.name in made
            if not column.nullable and column.default is None and not given:
                raise ValueError(f"table {self.table} needs column '{column.name}'")
        return self


class Replaces(StrictModel):
    """What a full file of a snapshot feed replaces: rows within its scope that it lists no more count no more."""

    same: list[str] = Field(
        default=[],
        description="captured values in which the earlier file must agree: of a vendor that sends a day in several "
        "full files, as one for each office",
    )
    within: list[str] = Field(
        min_length=1, description="columns that say what a file covers, by its rows: [as_of_date], or an account's day"
    )
    only_when: dict[str, Pattern] = Field(
        default={}, description="captured values that a full file has; others bring changes (a delta)"
    )


class InForce(StrictModel):
    """When a title holds, by the file's business date; on other dates nothing reads it."""

    since: date | None = Field(default=None, description="first date")
    until: date | None = Field(default=None, description="last date")

    def holds(self, on: date) -> bool:
        """Whether the title means something on this date."""
        return (self.since is None or self.since <= on) and (self.until is None or on <= self.until)


class CompleteWith(StrictModel):
    """Feeds that a vendor delivers as one set: a file waits until all of its set are there."""

    feeds: list[str] = Field(min_length=1, description="the other feeds of the set")
    key: Pattern = Field(description="pattern on the file's path whose first group ties a set together, as a date")

    @field_validator("key")
    @classmethod
    def _one_group(cls, pattern: str) -> str:
        return exactly_one_group(pattern)


class Control(StrictModel):
    """What a file states about itself: a sum, a count or a hash total of its records, per section or file."""

    name: str = Field(description="what the control is called in messages")
    check: Literal["sum", "count", "hash"] = Field(
        default="sum", description="what is stated: a sum, the number of lines, or the sum of the digits as a number"
    )
    total_title: str = Field(default="", description="title that is summed over the record lines")
    stated_title: str | None = Field(default=None, description="title of the stated figure, where it is another")
    number: NumberStyles = Field(default="plain", description="how the figures are written")
    negate_when: str | None = Field(
        default=None, description="<map>.<what it gives> that says 'yes': the figure's sign is the other way round"
    )
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
    complete_with: CompleteWith | None = Field(default=None, description="the set that a file is delivered in")
    replaces: Replaces | None = Field(default=None, description="of a snapshot: what a full file replaces")
    marker: str | None = Field(
        default=None,
        description="marker file without which a file waits: a suffix (.done), or a name (_SUCCESS) beside it",
    )
    manifest_counts: Literal["records", "lines"] = Field(
        default="records",
        description="what a count in the vendor's manifest counts: the file's records, or its lines, header and all",
    )
    fingerprint: Fingerprint = Field(description="how a file is recognised")
    error_document: Pattern | None = Field(
        default=None,
        description="pattern of a line of a message that the vendor sends in place of data; its first group is said",
    )
    reader: Reader = Field(default=Reader(), description="bytes to lines, lines to cells")
    lines: list[LineRule] = Field(default=[], description="what kind a line is; the first rule that it meets decides")
    context: dict[str, Capture] = Field(default={}, description="values that stand outside the records")
    business_date: str | None = Field(default=None, description="the captured value that dates the file")
    business_date_format: DateFormat | None = Field(
        default=None, description="its date format, where it is not `dates`"
    )
    numbers: NumberStyles = Field(
        default="plain", description="how numbers are written, one way or several; what differs is quarantined"
    )
    dates: DateFormats = Field(
        default="yyyy-MM-dd",
        description="how dates are written, one way or several: yyyy, yy, MMMM, MMM, MM, M, dd, d (and "
        "HH, mm, ss, 'T'), or a count: serial, serial_1904 (a spreadsheet's), epoch_seconds, epoch_millis",
    )
    empty: list[str] = Field(default=[""], description="cells that mean 'nothing'")
    flow_timing: FlowTiming | None = Field(
        default=None, description="when this vendor's flows count in the day; of reported returns, in their formula"
    )
    return_basis: Literal["net", "gross"] | None = Field(
        default=None, description="whether reported returns are after fees or before them; left out: taken as net"
    )
    title_dates: dict[str, InForce] = Field(
        default={}, description="titles of the header that hold only for a time: a vendor that gives one a new meaning"
    )
    codes: dict[str, Code] = Field(default={}, description="what the vendor's words mean")
    targets: list[Target] = Field(min_length=1, description="the tables that the feed fills")
    controls: list[Control] = Field(default=[], description="what the file states about itself, to be met")

    @cached_property
    def version(self) -> str:
        """Fingerprint of the mapping as it is used: changes when, and only when, what it says changes."""
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).hexdigest()[:12]

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
            named.update([target.newest_by] if target.newest_by else [])
            for source in target.columns.values():
                named.update(source.titles)
        return named

    @property
    def known_titles(self) -> set[str]:
        """Every title that the mapping reads or names, normalised."""
        return {normalise_title(title) for title in {*self.fingerprint.required, *self.known_names}}

    def asks_for(self, element: str) -> bool:
        """Whether a rule of `lines` names this element."""
        asked = (rule.fields["element"] for rule in self.lines if "element" in rule.fields)
        return any(re.fullmatch(pattern, element) for pattern in asked)

    def absent_titles(self, header: list[str]) -> list[tuple[str, str]]:
        """(table.column, title) of what the mapping reads and a file with these titles does not have, though a figure
        depends on it and nothing says that it may be absent."""
        if not self.has_header_line and self.format != "parquet":
            return []
        there = {normalise_title(title) for title in header}
        found = []
        for target in self.targets:
            described = schemas.table(target.table)
            for name, source in target.columns.items():
                if source.optional or name in described.stoppable:
                    continue
                either = [] if set(source.own_titles) & set(self.title_dates) else source.own_titles
                wanted = [either, *([one] for one in [*source.plus, *source.minus])]
                absent = [ones[0] for ones in wanted if ones and not {normalise_title(one) for one in ones} & there]
                found += [(f"{target.table}.{name}", title) for title in absent]
        return found

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
                for code in source.code_references:
                    if code.split(".")[0] not in self.codes:
                        raise ValueError(f"{target.table}.{name}: no code map is called '{code.split('.')[0]}'")
                for reference in source.divide_by:
                    self._divisors_are_powers_of_ten(f"{target.table}.{name}", reference)
        self._kinds_have_names()
        self._replaces_what_it_covers()
        if self.business_date and self.business_date not in self.context:
            raise ValueError(f"business_date: nothing captured is called '{self.business_date}'")
        return self

    @model_validator(mode="after")
    def _basis_is_of_returns(self) -> Mapping:
        if self.return_basis is not None and all(target.table != "reported_performance" for target in self.targets):
            raise ValueError("return_basis is for a feed that fills reported_performance")
        return self

    def _divisors_are_powers_of_ten(self, where: str, reference: str) -> None:
        code, _, given = reference.partition(".")
        for rule in self.codes[code].rules:
            if not re.fullmatch("10*", rule.gives.get(given, "1")):
                raise ValueError(f"{where}: {reference} gives '{rule.gives[given]}', which is no power of ten")

    def _replaces_what_it_covers(self) -> None:
        if (self.replaces is not None) != (self.delivery == "snapshot"):
            raise ValueError("replaces: a snapshot says what a full file replaces, and only a snapshot does")
        if self.replaces is None:
            return
        for key, names in (("only_when", self.replaces.only_when), ("same", self.replaces.same)):
            for captured in names:
                if captured not in self.context:
                    raise ValueError(f"replaces.{key}: nothing captured is called '{captured}'")
        for target in self.targets:
            described = schemas.table(target.table)
            known = {column.name for column in described.columns}
            for name in self.replaces.within:
                if name not in known:
                    raise ValueError(f"replaces.within: table {target.table} has no column '{name}'")
            if described.date not in self.replaces.within:
                raise ValueError(f"replaces.within: table {target.table} needs its date, '{described.date}'")

    def _kinds_have_names(self) -> None:
        """Where no header names the cells, the reader must, for every kind of line that is read."""
        declared = self.reader.fields if self.format == "fixed" else self.reader.titles
        if self.format != "fixed" and (self.format in NAMED or self.reader.header != "none"):
            return
        for target in self.targets:
            kinds = [target.lines, *[kind for kind, of in self.reader.continues.items() if of == target.lines]]
            names = {normalise_title(name) for kind in kinds for name in declared.get(kind, ())}
            for name, source in target.columns.items():
                for title in source.titles:
                    if normalise_title(title) not in names:
                        raise ValueError(f"{target.table}.{name}: lines of kind '{target.lines}' have no '{title}'")


def normalise_title(title: str) -> str:
    """A title without BOM, line breaks, outer blanks, units such as ' ($)' and case: what titles are compared by."""
    return re.sub(r"\s*\(\$\)$", "", " ".join(title.replace("\ufeff", "").split())).lower()


def mappings_folder() -> Path:
    """The folder of the mappings in force: `vendor_mappings/`, or the one that DIETZ_MAPPINGS names."""
    return Path(os.environ.get("DIETZ_MAPPINGS") or PROJECT_ROOT / "vendor_mappings").absolute()


def load_mappings(folder: Path | None = None) -> dict[str, Mapping]:
    """All mappings by feed, read once a process. Raises ConfigError with file and line for the first that is wrong."""
    return _load(folder or mappings_folder())


def mapping_version(feed: str, folder: Path | None = None) -> str:
    """The version of the feed's mapping that is in force."""
    return load_mappings(folder)[feed].version


@cache
def _load(folder: Path) -> dict[str, Mapping]:
    found = (load_yaml(path, Mapping) for path in sorted(folder.glob("*.yaml")))
    return {mapping.feed: mapping for mapping in found}

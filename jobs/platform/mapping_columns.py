"""The part of a mapping that says where a canonical column comes from: titles, code maps, units, signs, formats."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from jobs.platform.mapping_reader import Pattern
from jobs.platform.yaml_model import StrictModel

NumberStyle = Literal[
    "plain", "us", "european", "swiss", "spaced", "spaced_point", "indian", "trailing_sign", "overpunch", "scientific"
]
# Several ways: a cell must be one number in all of them that it fits, else it is quarantined as ambiguous.
NumberStyles = NumberStyle | list[NumberStyle]
WORD = "{word}"  # what a rule gives that gives the vendor's own word

# Dates that are a count: (day 0, how many make a day). Spreadsheets count a 29 February 1900 that never was.
DAY_COUNTS = {
    "serial": ("1899-12-30", 1), "serial_1904": ("1904-01-01", 1),
    "epoch_seconds": ("1970-01-01", 86_400), "epoch_millis": ("1970-01-01", 86_400_000),
}  # fmt: skip
DAY_COUNT = r"\d{1,15}(\.\d+)?"
# Parts of a date format, the longer ones first, as strptime calls them.
DIRECTIVES = {
    "yyyy": "%Y", "yy": "%y", "MMMM": "%B", "MMM": "%b", "MM": "%m", "M": "%m", "dd": "%d", "d": "%d",
    "HH": "%H", "mm": "%M", "ss": "%S", "'T'": "T",
}  # fmt: skip


def _readable(date_format: str) -> str:
    """The date format. Raises ValueError where it has letters that mean nothing: such a format would fit no cell."""
    left = re.sub("|".join(DIRECTIVES), "", date_format)
    unknown = re.search("[A-Za-z]+", left)
    if date_format not in DAY_COUNTS and unknown:
        known = ", ".join([*DIRECTIVES, *DAY_COUNTS])
        raise ValueError(f"date format '{date_format}': '{unknown.group()}' is none of {known}")
    return date_format


DateFormat = Annotated[str, AfterValidator(_readable)]
DateFormats = DateFormat | list[DateFormat]


def day_as(text: str, date_format: str) -> date | None:
    """The day that a text is in a mapping's date format; None where it is none."""
    if date_format in DAY_COUNTS:
        origin, unit = DAY_COUNTS[date_format]
        if not re.fullmatch(DAY_COUNT, text):
            return None
        try:
            return date.fromisoformat(origin) + timedelta(days=int(float(text)) // unit)
        except OverflowError:
            return None
    directives = re.sub("|".join(DIRECTIVES), lambda token: DIRECTIVES[token.group()], date_format)
    try:
        return datetime.strptime(text, directives).date()  # noqa: DTZ007 a date has no zone
    except ValueError:
        return None


class CodeRule(StrictModel):
    """What one vendor word means: exactly one of `is`, `starts` or `matches`, and what it gives."""

    equals: str | None = Field(default=None, alias="is", description="the whole word, in any case")
    starts: str | None = Field(default=None, description="how the word begins, in any case")
    matches: Pattern | None = Field(default=None, description="a pattern that the whole word matches")
    sign: Literal["negative", "positive"] | None = Field(
        default=None, description="only where the amount of the code map has this sign"
    )
    gives: dict[str, str] = Field(description="answers, asked for as <map>.<name>; {word} is the vendor's word itself")

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


SOURCES = ("title", "context", "constant", "code", "account", "account_title", "same_as", "identity", "unpivoted")


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
    unpivoted: Literal["title", "cell"] | None = Field(
        default=None, description="beside `unpivot`, of its columns: how the title, or the cell, is read"
    )
    within_account: bool = Field(
        default=False,
        description="whether an identifier is unique only within an account, whose number is put before it",
    )
    reversed_when: str | None = Field(
        default=None, description="<map>.<what it gives> that says 'yes': a cancel, found by its original's values"
    )
    suffix: str | None = Field(
        default=None, description="text put behind an identifier, as of the second booking that a line makes"
    )
    optional: bool = Field(
        default=False, description="whether files of the feed may lack the title; a file that lacks another is refused"
    )
    plus: list[str] = Field(default=[], description="titles of amounts that are added, such as a commission")
    minus: list[str] = Field(default=[], description="titles of amounts that are taken off, as a debit beside a credit")
    instead: str | None = Field(default=None, description="title that is read instead where `instead_when` says yes")
    instead_when: str | None = Field(default=None, description="<map>.<what it gives> that says 'yes'")
    otherwise: str | None = Field(default=None, description="column that stands in where this one is empty")
    default: str | None = Field(default=None, description="text that stands in where all of that is empty")
    decimals: int | None = Field(default=None, ge=1, le=8, description="implied decimals: 12345 with 2 is 123.45")
    divide_by: list[str] = Field(
        default=[], description="<map>.<what it gives>, each a power of ten: minor units (pence), quotes per hundred"
    )
    pad: int | None = Field(
        default=None, ge=1, description="length to which digits are filled up with zeros: identifiers kept as numbers"
    )
    like: Pattern | None = Field(
        default=None, description="pattern that each value matches as a whole (3.78E+07 is no CUSIP); else quarantined"
    )
    round: int | None = Field(
        default=None,
        ge=0,
        le=8,
        description="decimals to round to: of a vendor whose numbers are binary (0.30000000000000004)",
    )
    unit: Literal["percent", "basis_points", "thousands", "millions"] | None = Field(
        default=None, description="percent: 2.5 or 2.5% is kept as 0.025; thousands: 2.5 as 2500"
    )
    month_end: bool = Field(default=False, description="whether a date stands for the last day of its month")
    part: Pattern | None = Field(default=None, description="pattern whose first group is the value within the cell")
    number: NumberStyles | None = Field(default=None, description="number style or styles, where not `numbers`")
    date: DateFormats | None = Field(default=None, description="date format or formats, such as MM/dd/yyyy")
    negate: bool = Field(default=False, description="whether the vendor's sign is the other way round")
    negate_when: str | None = Field(
        default=None, description="<map>.<what it gives> that says 'yes': the vendor's sign is the other way round"
    )

    @property
    def titles(self) -> list[str]:
        return [*self.own_titles, *([self.instead] if self.instead else []), *self.plus, *self.minus]

    @property
    def own_titles(self) -> list[str]:
        """The column's title, or its titles over time: those of `titles` that stand in no other role."""
        title = self.account_title or self.title
        return [] if title is None else [title] if isinstance(title, str) else title

    @property
    def code_references(self) -> list[str]:
        """Every <map>.<what it gives> that the column asks for."""
        return [
            one for one in (self.code, self.negate_when, self.instead_when, self.reversed_when, *self.divide_by) if one
        ]

    @property
    def looks_up_account(self) -> bool:
        return self.account is not None or self.account_title is not None

    @model_validator(mode="after")
    def _one_source(self) -> ColumnSource:
        given = {name for name in SOURCES if getattr(self, name) is not None}
        if len(given) != 1 and given != {"title", "identity"}:
            raise ValueError(f"needs exactly one of {', '.join(SOURCES)} (or title with identity to stand in)")
        if self.reversed_when and self.identity is None:
            raise ValueError("reversed_when belongs to identity")
        if (self.instead is None) != (self.instead_when is None):
            raise ValueError("instead and instead_when belong together")
        if self.negate and self.negate_when:
            raise ValueError("needs at most one of negate, negate_when")
        return self


class Unpivot(StrictModel):
    """One record per title: wide files whose titles are values (currencies, dates)."""

    titles: Pattern = Field(description="pattern of the titles that become records")
    name: str = Field(description="column that takes the title")
    value: str = Field(description="column that takes the cell")
    skip_values: list[str] = Field(default=[], description="cells that mean no record")

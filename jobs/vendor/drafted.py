"""One drafted target: the table, and for each of its columns the source with its reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from jobs.platform import schemas
from jobs.vendor.bookings import CodeMap
from jobs.vendor.choice import Choice
from jobs.vendor.profile import Profile
from jobs.vendor.styles import date_format, own_style


@dataclass
class Drafted:
    """One entry of `targets`. columns: {canonical column: choice of its source, a dict as in the mapping}."""

    table: str
    kind: str
    columns: dict[str, Choice]
    profiles: dict[str, Profile]
    reason: str = ""
    tables: list[str] = field(default_factory=list)  # where the table is not decided: the candidates, `table` first
    unpivot: dict[str, Any] | None = None
    codes: dict[str, CodeMap] = field(default_factory=dict)
    known_dates: set[str] = field(default_factory=set)
    prefix: str = ""  # of its code maps' names, where a file has several kinds of records
    unread: list[str] = field(default_factory=list)

    def titles(self) -> list[str]:
        """The titles that decided columns and code maps read."""
        found = [str(self._title(one)) for one in self.columns.values() if not one.is_open and self._title(one)]
        return list(dict.fromkeys([*found, *(one.title for one in self.codes.values())]))

    def essential(self, enough: int = 4) -> list[str]:
        """Titles of the columns that a row cannot do without, and others that hold values up to `enough`."""
        table = schemas.table(self.table)
        needed = [*table.key, *(one.name for one in table.columns if not one.nullable and one.default is None)]
        first = [
            self._title(self.columns[name])
            for name in needed
            if name in self.columns and not self.columns[name].is_open
        ]
        codes = [one.title for name, one in self.codes.items() if name.endswith("types")]
        named = list(dict.fromkeys(title for title in (*first, *codes) if title))
        if self.unpivot:
            named += [title for title, one in self.profiles.items() if title and one.values]
        more = [title for title in self.titles() if self.profiles[title].values]
        return list(dict.fromkeys([*named, *more]))[: max(enough, 0 if self.unpivot else len(named))]

    def reads(self, name: str) -> bool:
        """Whether a captured value of this name is read."""
        return any(name in (one.value.get("context"), one.value.get("account")) for one in self.columns.values())

    def numbers(self) -> list[Profile]:
        """Profiles of the number columns that are read."""
        return [self.profiles[title] for _, title in self._read(("decimal", "double"))]

    def date_format(self) -> Choice | None:
        """The date format of most of its date columns."""
        found = [
            date_format(self.profiles[t], self.known_dates)
            for _, t in self._read(("date",))
            if self.profiles[t].is_date
        ]
        decided = [one for one in found if not one.is_open]
        if not decided:
            return found[0] if found else None
        most = Counter(one.value for one in decided).most_common(1)[0][0]
        return next(one for one in decided if one.value == most)

    def own_accounts(self) -> None:
        """The file has the firm's own account numbers: nothing is looked up."""
        account = self.columns.get("account_id")
        if account and "account_title" in account.value:
            self.columns["account_id"] = Choice(
                {"title": account.value["account_title"]}, account.confidence, "its title"
            )

    def settle(self, style: str) -> None:
        """Gives the columns that differ from the mapping's number style or date format their own."""
        usual = self.date_format()
        for name, title in self._read(("decimal", "double")):
            own = own_style(self.profiles[title], style)
            if own and schemas.table(self.table).column(name).type == "decimal":
                self.extend(name, {"number": own.value}, own)
        for name, title in self._read(("date",)):
            one = self.profiles[title]
            if not one.is_date:
                continue
            own = date_format(one, self.known_dates)
            if usual and own.value != usual.value:
                self.extend(name, {"date": own.value}, own)
            if one.part:
                self.extend(name, {"part": one.part}, Choice("", 0.9, "the date within the cell"))

    def _read(self, kinds: tuple[str, ...]) -> list[tuple[str, str]]:
        table = schemas.table(self.table)
        return [
            (name, title)
            for name, choice in self.columns.items()
            if (title := self._title(choice)) in self.profiles and table.column(name).type in kinds
        ]

    def _title(self, choice: Choice) -> str | None:
        return choice.value.get("title") or choice.value.get("account_title")

    def extend(self, name: str, more: dict[str, Any], why: Choice) -> None:
        old = self.columns[name]
        confidence = min(old.confidence, why.confidence)
        self.columns[name] = Choice(old.value | more, confidence, f"{old.reason}; {why.reason}")

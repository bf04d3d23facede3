"""The target of one kind of records: the table, and for each of its columns the source with its reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from jobs.platform import schemas
from jobs.vendor import bookings, performance, wide
from jobs.vendor.bookings import CodeMap
from jobs.vendor.choice import TODO, Choice, todo
from jobs.vendor.evidence import by_values
from jobs.vendor.layout import Layout, Records
from jobs.vendor.match import Matches, fits, matches
from jobs.vendor.profile import Profile
from jobs.vendor.styles import date_format, own_style
from jobs.vendor.surroundings import Stated
from jobs.vendor.synonyms import synonyms


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
        first = [self._title(self.columns[name]) for name in needed if name in self.columns and not self.columns[name].is_open]
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
        found = [date_format(self.profiles[t], self.known_dates) for _, t in self._read(("date",)) if self.profiles[t].is_date]
        decided = [one for one in found if not one.is_open]
        if not decided:
            return found[0] if found else None
        most = Counter(one.value for one in decided).most_common(1)[0][0]
        return next(one for one in decided if one.value == most)

    def own_accounts(self) -> None:
        """The file has the firm's own account numbers: nothing is looked up."""
        account = self.columns.get("account_id")
        if account and "account_title" in account.value:
            self.columns["account_id"] = Choice({"title": account.value["account_title"]}, account.confidence, "its title")

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


def target(
    records: Records, profiles: dict[str, Profile], layout: Layout, when: Stated | None, account: Stated | None
) -> list[Drafted]:
    """The target of these records; none where they are empty or (one kind of several) of no table."""
    if not records.rows:
        return []
    titles = wide.rate_titles(profiles)
    if titles:
        return [_rates(records, titles, profiles, when)]
    known = synonyms()
    outside = ({"account_id"} if account else set()) | ({"as_of_date"} if when else set())
    found = matches(profiles, known, outside)
    if found is None and not layout.has_header and not layout.is_named:
        found = _by_words(profiles)
    if found is None:
        return [_no_table(records, profiles)] if len(layout.records) == 1 else []
    if found.table.table == "transaction":
        bookings.type_by_words(found, profiles, known)
    by_values(found, profiles, when, layout.totals)
    if found.table.table == "reported_performance":
        performance.of_the_day(found, profiles)
    drafted = Drafted(found.table.table, records.kind, {}, profiles, f"the columns are those of {found.table.table}")
    if found.rivals or found.lacks:
        drafted.tables = [found.table.table, *found.rivals]
    if found.lacks:
        drafted.reason = f"{found.table.table} would need {' or '.join(found.lacks)} besides"
    if when and when.date_format and when.choice.confidence:
        drafted.known_dates = {when.date_format}
    drafted.prefix = f"{records.kind.lower()}_" if len(layout.records) > 1 else ""
    _columns(drafted, found, when, account)
    used = {*drafted.titles(), *found.used()}
    drafted.unread = [title for title in profiles if title and title not in used]
    return [drafted]


def _by_words(profiles: dict[str, Profile]) -> Matches | None:
    """Of a file without titles only transactions are seen, by the words of their types."""
    found = Matches(schemas.table("transaction"))
    bookings.type_by_words(found, profiles, synonyms())
    return found if found.found else None


def _no_table(records: Records, profiles: dict[str, Profile]) -> Drafted:
    tables = [one.table for one in schemas.tables("silver") if one.table != "quarantine"]
    drafted = Drafted(tables[0], records.kind, {}, profiles, "no table has columns such as these", tables)
    drafted.unread = [title for title in profiles if title]
    return drafted


def _rates(records: Records, titles: list[str], profiles: dict[str, Profile], when: Stated | None) -> Drafted:
    skipped = sorted({cell for title in titles for cell in profiles[title].cells if cell not in profiles[title].values} | {""})
    drafted = Drafted("fx_rate", records.kind, {}, profiles, f"{len(titles)} titles are currencies, their cells rates")
    drafted.unpivot = {"titles": "[A-Z]{3}", "name": "to_currency", "value": "rate", "skip_values": skipped}
    days = [title for title, one in profiles.items() if one.is_date]
    if len(days) == 1:
        drafted.columns["as_of_date"] = Choice({"title": days[0]}, 0.95, "the only column of dates")
    else:
        drafted.columns["as_of_date"] = Choice({"title": todo("one of", days)}, 0, "no single column of dates")
    base = wide.base_currency(titles, profiles)
    drafted.columns["from_currency"] = Choice({"constant": base.value}, 0, base.reason)
    if when and when.date_format:
        drafted.known_dates = {when.date_format}
    return drafted


def _columns(drafted: Drafted, found: Matches, when: Stated | None, account: Stated | None) -> None:
    """Every column of the table that is decided, open or required, in the schema's order."""
    special = {
        "account_id": lambda: _account(found, account),
        "as_of_date": lambda: _as_of(found, when),
        "transaction_id": lambda: bookings.transaction_id(found, drafted.profiles),
        "performance_date": lambda: _performance_date(found),
        "type": lambda: _coded(drafted, found, "type"),
        "status": lambda: _coded(drafted, found, "status"),
        "currency": lambda: _currency(found, drafted),
    }
    for column in found.table.columns:
        if column.name == "account_id" and found.table.table in {"account", "account_xref", "account_group_member"}:
            choice = _plain(found, column.name)
        elif column.name in special and column.name in {one.name for one in found.table.columns}:
            choice = special[column.name]()
        else:
            choice = _plain(found, column.name)
        if choice is None and not column.nullable and column.default is None:
            candidates = [title for title, one in drafted.profiles.items() if title and fits(one, column) and not one.is_empty]
            free = [title for title in candidates if title not in found.used()]
            choice = Choice({"title": todo("one of", free) if free else todo("not seen")}, 0, "no title says it")
        if choice is not None:
            drafted.columns[column.name] = choice
    _signs(drafted, found)
    for name in ("twrr_daily", "twrr_mtd"):
        title = found.title(name)
        if title and name in drafted.columns and not drafted.profiles[title].is_empty:
            more, confidence, reason = performance.unit(name, found, drafted.profiles)
            drafted.extend(name, more, Choice("", confidence, reason))


def _plain(found: Matches, name: str) -> Choice | None:
    return bookings.replace_with_title(found.found[name]) if name in found.found else None


def _account(found: Matches, account: Stated | None) -> Choice | None:
    own = found.found.get("account_id")
    if own and (not own.is_open or account is None):
        reason = own.reason if own.is_open else f"{own.reason}; the vendor's number, looked up in account_xref"
        return Choice({"account_title": own.value}, own.confidence, reason)
    if account is None:
        return None
    if account.choice.confidence:
        return Choice({"account": account.name}, account.choice.confidence, account.choice.reason)
    return Choice({"account": todo(f"{account.name}, if it is the account's number")}, 0, account.choice.reason)


def _as_of(found: Matches, when: Stated | None) -> Choice | None:
    own = found.found.get("as_of_date")
    if own and (not own.is_open or when is None):
        return bookings.replace_with_title(own)
    if when is None:
        return None
    if not when.choice.confidence or own:
        rest = str(own.value).removeprefix(TODO).strip() if own else ""
        return Choice({"context": todo(f"{when.name}, if that is the day of the values", [rest] if rest else [])}, 0, when.choice.reason)
    value = {"context": when.name}
    return Choice(value | ({"date": when.date_format} if when.date_format else {}), when.choice.confidence, when.choice.reason)


def _performance_date(found: Matches) -> Choice:
    own = found.found.get("performance_date")
    if own and not own.is_open:
        return Choice({"title": own.value}, own.confidence, own.reason)
    return Choice({"same_as": "trade_date"}, 0.85, "flows count on their trade date unless the vendor counts otherwise")


def _coded(drafted: Drafted, found: Matches, name: str) -> Choice | None:
    choice = found.found.get(name)
    if choice is None or choice.is_open:
        return Choice({"title": choice.value}, 0, choice.reason) if choice else None
    title = str(choice.value)
    one = drafted.profiles[title]
    codes = bookings.types(title, one, synonyms()) if name == "type" else bookings.statuses(title, one)
    if codes is None:
        return Choice({"title": title}, choice.confidence, choice.reason + "; the words are the canonical ones")
    map_name = drafted.prefix + {"type": "types", "status": "statuses"}[name]
    drafted.codes[map_name] = codes
    return Choice({"code": f"{map_name}.{name}"}, choice.confidence, f"'{title}': {choice.reason}")


def _currency(found: Matches, drafted: Drafted) -> Choice | None:
    own = found.found.get("currency")
    if own:
        return bookings.replace_with_title(own)
    if found.table.table in {"security", "benchmark_level"}:
        return None
    signs = {sign for one in drafted.profiles.values() for value in one.values[:50] for sign in "$€£" if sign in value}
    seen = f"amounts carry {' '.join(sorted(signs))}" if signs else "nothing in the file says it"
    return Choice({"constant": todo("the currency; without this line it is the account's")}, 0, seen)


def _signs(drafted: Drafted, found: Matches) -> None:
    if found.table.table != "transaction":
        return
    kind = found.title("type")
    of_kind = drafted.profiles[kind] if kind else None
    codes = drafted.codes.get(f"{drafted.prefix}types")
    amount, quantity = found.title("amount"), found.title("quantity")
    if amount and not drafted.profiles[amount].is_empty:
        more, reason, marks = bookings.amount_sign(drafted.profiles[amount], of_kind, codes, drafted.profiles, synonyms())
        drafted.extend("amount", _prefixed(more, drafted.prefix), Choice("", 0.95, reason))
        if marks:
            drafted.codes[f"{drafted.prefix}marks"] = marks
    if quantity and not drafted.profiles[quantity].is_empty:
        more, reason = bookings.quantity_sign(drafted.profiles[quantity], of_kind, codes, synonyms())
        drafted.extend("quantity", _prefixed(more, drafted.prefix), Choice("", 0.95, reason))


def _prefixed(more: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name: value if value.startswith(TODO) else prefix + value for name, value in more.items()}

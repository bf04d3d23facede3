"""Records of one kind to a drafted target: the table by titles and values, then its columns."""

from __future__ import annotations

from jobs.platform import schemas
from jobs.vendor import bookings, performance, wide
from jobs.vendor.choice import Choice, todo
from jobs.vendor.columns import columns
from jobs.vendor.drafted import Drafted
from jobs.vendor.evidence import by_values
from jobs.vendor.layout import Layout, Records
from jobs.vendor.match import LOOSELY, Matches, matches
from jobs.vendor.profile import Profile
from jobs.vendor.surroundings import Stated
from jobs.vendor.synonyms import synonyms


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
    if found is None and not layout.has_header and layout.format == "delimited":
        found = _without_titles(profiles)
    if found is None:
        # Elements that are no records are struck out of `reader.records`; lines of a kind would be lost without a word.
        return [] if layout.format in {"xml", "ofx"} else [_no_table(records, profiles)]
    if found.table.table == "transaction":
        bookings.type_by_words(found, profiles, known)
        if _is_certain(found, profiles):
            found.lacks = []
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
    drafted.prefix = f"{records.kind.lower()}_" if layout.has_kinds else ""
    columns(drafted, found, when, account, layout.totals)
    used = {*drafted.titles(), *found.used()}
    drafted.unread = [title for title in profiles if title and title not in used]
    return [drafted]


def _is_certain(found: Matches, profiles: dict[str, Profile]) -> bool:
    """Whether records are bookings though something is missing: an amount with a booking's date or a booking's word."""
    if found.rivals or not found.title("amount"):
        return False
    dated = any((one := found.found.get(name)) and one.confidence > LOOSELY for name in ("trade_date", "settle_date"))
    kind = found.title("type")
    return dated or bool(kind and any(synonyms().type_of(word) for word in profiles[kind].words))


def cash(holdings: Drafted) -> Drafted:
    """The cash of an account as a position: its value in units of 1; what the position is called is open."""
    drafted = Drafted(
        holdings.table, "cash", dict(holdings.columns), holdings.profiles, "cash as a position of its own"
    )
    value = holdings.columns.get("market_value", Choice({"title": todo("not seen")}, 0, "no title says it"))
    drafted.columns |= {
        "security_id": Choice(
            {"constant": todo("what the cash position is called, such as CASH_USD")}, 0, "no security"
        ),
        "quantity": Choice(value.value, value.confidence, "units of 1"),
        "price": Choice({"constant": "1"}, 0.95, "a unit of cash"),
        "market_value": value,
    }
    drafted.columns.pop("cost_basis", None)
    drafted.known_dates = holdings.known_dates
    return drafted


def _without_titles(profiles: dict[str, Profile]) -> Matches | None:
    """Of a file without titles only transactions are suspected: by words of their types, or two dates on a line."""
    found = Matches(schemas.table("transaction"))
    bookings.type_by_words(found, profiles, synonyms())
    if found.found:
        return found
    found.lacks = ["type"]
    return found if sum(one.is_date for one in profiles.values()) >= 2 else None


def _no_table(records: Records, profiles: dict[str, Profile]) -> Drafted:
    tables = [one.table for one in schemas.tables("silver") if one.table != "quarantine"]
    drafted = Drafted(tables[0], records.kind, {}, profiles, "no table has columns such as these", tables)
    drafted.unread = [title for title in profiles if title]
    return drafted


def _rates(records: Records, titles: list[str], profiles: dict[str, Profile], when: Stated | None) -> Drafted:
    skipped = sorted(
        {cell for title in titles for cell in profiles[title].cells if cell not in profiles[title].values} | {""}
    )
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


def account_totals(holdings: Drafted) -> Drafted:
    """The accounts' values, where each block ends with the sum of its holdings and its cash."""
    drafted = Drafted("valuation", "total", {}, holdings.profiles, "a block's total is its holdings and its cash")
    named = ("account_id", "as_of_date", "market_value", "currency")
    drafted.columns = {name: holdings.columns[name] for name in named if name in holdings.columns}
    drafted.known_dates = holdings.known_dates
    return drafted

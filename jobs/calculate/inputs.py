"""Current rows of silver for the accounts that are due, and no more of the history than they need."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.calculate.currency import LONGEST_SERVICE_DAYS
from jobs.calculate.policies import Policies, source_rank_sql
from jobs.platform.lake import Lake, latest
from jobs.platform.schemas import table

ACCOUNT = ["tenant_id", "account_id"]


FEW = 1000  # accounts that a filter names one by one; Parquet then skips the pages of all others
ROWS_OF_FEW = 20 * FEW  # beyond so many rows owners are not counted


def named_few(owners: DataFrame, owner: str = ACCOUNT[-1]) -> list[str] | None:
    """The names in the column `owner` of a frame that is worked out; None where they are more than a filter names."""
    found = owners.select(owner).limit(ROWS_OF_FEW + 1).collect()
    names = sorted({row[0] for row in found})
    return names if len(found) <= ROWS_OF_FEW and len(names) <= FEW else None


def of_few(rows: DataFrame, owners: DataFrame, owner: str = ACCOUNT[-1]) -> DataFrame:
    """`rows` of the accounts in `owners` (worked out already; or of what the column `owner` names), and maybe of others
    as well: where they are few, of no others, so that what little is restated reads no more than its own pages."""
    names = named_few(owners, owner)
    return rows if names is None else rows.where(F.col(owner).isin(*names))


@dataclass(frozen=True)
class Span:
    """The dates whose inputs are needed: after `after` (None: from the first input on) up to `through`.

    Where `recent` is given, only the few accounts named in `earlier` need what is dated up to it: an account that goes
    back does not make a night read the history of all others, nor does it where it comes alone.
    """

    after: date | None
    through: date
    recent: date | None = None
    earlier: tuple[str, ...] = ()

    @classmethod
    def of(cls, begin: DataFrame, through: date, *, going_back: bool = False) -> Span:
        """The span of accounts that begin where `begin` (account_id, opened) says, some of them `going_back`."""
        counts = {row["opened"]: row["count"] for row in begin.groupBy("opened").count().collect()}
        dates = sorted(counts, key=lambda day: day or date.min)
        after = dates[0] if dates else None
        before, recent = 0, None
        for day in dates:
            if before + counts[day] > FEW:
                recent = day
                break
            before += counts[day]
        if recent is None and going_back:
            recent = through
        if recent is None or not before:
            return cls(after, through)
        earlier = begin.where(F.col("opened").isNull() | (F.col("opened") < recent)).select("account_id").collect()
        return cls(after, through, recent, tuple(sorted({row["account_id"] for row in earlier})))

    def holds(self, day: str) -> Column:
        """Whether a row's date lies in the span, for the row's account."""
        since = F.lit(True) if self.after is None else F.col(day) > self.after
        if self.recent is not None:
            since = (F.col(day) > self.recent) | (since & F.col("account_id").isin(*self.earlier))
        return (F.col(day) <= self.through) & since


@dataclass(frozen=True)
class Silver:
    """The silver tables as far as their files may be used, for some tenants."""

    lake: Lake
    tenants: list[str]
    withheld: list[str]

    def every(self, name: str) -> DataFrame:
        """Every version of every row, but those of files that the gate withheld."""
        rows = self.lake.read(name).where(F.col("tenant_id").isin(self.tenants))
        return rows.where(~F.col("file_id").isin(self.withheld)) if self.withheld else rows

    @cached_property
    def several_vendors(self) -> bool:
        """Whether a tenant has transactions of more than one vendor, of which one counts for each account."""
        deliverers = self.every("transaction").select("tenant_id", "vendor").distinct().collect()
        return len({row["tenant_id"] for row in deliverers}) < len(deliverers)

    def _of_counting_vendor(self, wanted: DataFrame, accounts: DataFrame, policies: Policies) -> DataFrame:
        if not self.several_vendors:
            return wanted
        ranked = of_few(self.every("transaction"), accounts).groupBy(*ACCOUNT)
        best = ranked.agg(F.expr(f"min_by(vendor, {source_rank_sql(policies)}) AS vendor"))
        return wanted.join(best, [*ACCOUNT, "vendor"], "left_semi")

    def valuations(self, begin: DataFrame, span: Span) -> DataFrame:
        """Current valuations of the due accounts after their opening row."""
        return _after_opening(self.every("valuation"), "as_of_date", begin, span).transform(latest, table("valuation"))

    def transactions(self, begin: DataFrame, span: Span, policies: Policies) -> DataFrame:
        """Current transactions of the due accounts after their opening row, of the vendor that counts for each."""
        every, day = self.every("transaction"), "performance_date"
        # A version that moved a transaction elsewhere arrived no earlier than the one that is in the dates. It may have
        # been loaded earlier: a replay loads what arrived long ago.
        dated, key = _after_opening(every, day, begin, span), table("transaction").key
        first = dated.agg(F.min("arrival_no")).first()
        since = first[0] if first and first[0] is not None else 0
        versions = every.where(F.col("arrival_no") >= since).join(dated.select(*key).distinct(), key, "left_semi")
        current = latest(versions, table("transaction"))
        wanted = _after_opening(current, day, begin, span)
        return self._of_counting_vendor(wanted, begin, policies)

    def bookings(self, accounts_of: DataFrame, through: date, policies: Policies) -> DataFrame:
        """All current transactions of these accounts (tenant_id, account_id) up to `through`, of the vendor that
        counts for each."""
        every, described = self.every("transaction"), table("transaction")
        few = named_few(accounts_of)
        if few is not None:  # all versions of what was ever theirs
            theirs = every.where(F.col("account_id").isin(*few)).select(*described.key).distinct()
            every = every.join(theirs, described.key, "left_semi")
        current = latest(every, described).where(F.col("performance_date") <= through)
        return self._of_counting_vendor(current.join(accounts_of, ACCOUNT, "left_semi"), accounts_of, policies)

    def accounts(self, begin: DataFrame) -> DataFrame:
        """All dated versions of the due accounts' attributes."""
        return self.every("account").join(begin, ACCOUNT, "left_semi").transform(latest, table("account"))

    def fx_rates(self, span: Span) -> DataFrame | None:
        """Rates that the amounts can need; None where no rate was ever delivered."""
        if not self.lake.exists("fx_rate"):
            return None
        wanted = F.col("as_of_date") <= span.through
        if span.after is not None:
            wanted &= F.col("as_of_date") > span.after - timedelta(days=LONGEST_SERVICE_DAYS)
        return latest(self.every("fx_rate").where(wanted), table("fx_rate"))


def _after_opening(rows: DataFrame, day: str, begin: DataFrame, span: Span) -> DataFrame:
    """The rows of due accounts dated after their opening row; `begin`: tenant_id, account_id, opened."""
    return (
        rows.where(span.holds(day))
        .join(begin, ACCOUNT)
        .where(F.col("opened").isNull() | (F.col(day) > F.col("opened")))
        .drop("opened")
    )

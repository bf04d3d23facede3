"""Rules about single accounts: what they find is flagged or held account by account, the feed goes on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.check import account_days as days_of
from jobs.check import account_rules as rules
from jobs.check import releases
from jobs.check.account_rules import AccountRule, judged
from jobs.check.classes import classified
from jobs.check.holds import (
    ACCOUNT,
    CHECK,
    accounts_by_state,
    flagged_where_published,
    let_through,
    not_let_through_before,
    one_each,
    present_holds,
    released_as_seen,
    still_caught,
)
from jobs.check.night_rows import Night, NightRows
from jobs.check.stale import SECURITY, overdue, unchanged
from jobs.check.tolerances import Measure, Tolerances
from jobs.platform import schemas
from jobs.platform.lake import Lake
from jobs.platform.settings import Settings

OF_VALUES: tuple[Measure, ...] = ("value_jump", "flow_share", "negative_value", "stale_value", "duplicate_account")
OF_BOOKINGS: tuple[Measure, ...] = ("sign_of_type", "unknown_security")
OF_POSITIONS: tuple[Measure, ...] = ("unknown_security", "stale_price")
MEASURES: tuple[Measure, ...] = (*OF_VALUES, "missing_accounts", *OF_BOOKINGS, *OF_POSITIONS)
RECENT = timedelta(days=31)  # of a history that is loaded at once only the last holdings are looked at
LONGEST_RHYTHM = timedelta(days=100)  # an account is valued once a quarter at least; a flow may have come in between
LONGEST_SILENCE = timedelta(days=45)  # an account that has been missing for longer has been said to be so often enough


def write(lake: Lake, settings: Settings, tolerances: Tolerances, night: Night) -> dict[str, int | str]:
    """Look at the accounts that the night's files are about, and at held ones for which something new came or that
    somebody released; write what is found, and what is let through, to gold.held_account."""
    run, counts = night.run, {"held": 0, "flagged": 0, "released": 0}
    if (tolerances.has(*MEASURES) or night.waiting) and lake.exists("valuation"):
        rows = _Gate(NightRows(lake, settings, night), tolerances).caught_and_let_through()
        stamp = {"run_no": F.lit(run.run_no).cast("long"), "run_id": F.lit(run.run_id), "step": F.lit(CHECK)}
        rows = rows.withColumns(stamp).select(*schemas.table("held_account").names).localCheckpoint()
        counts |= accounts_by_state(rows)
        if any(counts.values()) or lake.last_run("held_account") >= run.run_no:  # an attempt before may have found more
            lake.write_run(rows, "held_account", run.run_no, run.run_id, part=f"step = '{CHECK}'")
        releases.taken_up(run.ledger.connection, night.waiting, run.run_no)
    return {f"accounts_{state}": count for state, count in counts.items()}


class _Gate:
    """What the rules make of one night's rows; each of them is read where a rule asks for it."""

    def __init__(self, rows: NightRows, tolerances: Tolerances) -> None:
        self.rows, self.lake, self.night, self.tolerances = rows, rows.lake, rows.night, tolerances
        self.earlier = self._earlier()
        self.held = self._held()
        rows.whole = self._whole()

    def caught_and_let_through(self) -> DataFrame:
        found = one_each(reduce(DataFrame.unionByName, self._findings()))
        if self.rows.knows_states:
            found = flagged_where_published(found, self.lake.read("account_state"))
        if self.earlier is None:
            return found
        found = not_let_through_before(found, self.earlier)
        if self.held is None:
            return found
        came = [self.rows.fresh(name).select(*ACCOUNT) for name in ("valuation", "transaction", "position")]
        seen = reduce(DataFrame.unionByName, came).distinct()
        released = released_as_seen(self.earlier, self.night.waiting)
        through = let_through(self.held, found, seen, released, self.tolerances)
        return still_caught(found, through).unionByName(through)

    def _earlier(self) -> DataFrame | None:
        """What earlier runs have found; None where none has found anything."""
        if not self.lake.exists("held_account"):
            return None
        earlier = self.lake.read("held_account").where(F.col("run_no") < self.night.run.run_no)
        return earlier.where(self.rows.in_scope)

    def _held(self) -> DataFrame | None:
        """The findings that are held now; None where there are none."""
        if self.earlier is None:
            return None
        held = present_holds(self.earlier).localCheckpoint()
        return None if held.isEmpty() else held

    def _held_for(self, measure: Measure) -> DataFrame | None:
        """The accounts that are held by a rule for a measure; None where no account is held."""
        if self.held is None:
            return None
        names = [rule.name for rule in self.tolerances.of(measure)]
        return self.held.where(F.col("rule").isin(names)).select(*ACCOUNT).distinct()

    def _whole(self) -> tuple[DataFrame, date] | None:
        """Accounts of which all counts that is dated after their last published row, from which day on, and the first
        such day: of held ones a later file may explain an earlier value, and of those of replayed rows a flow may have
        come with the file whose valuation waited."""
        accounts = [] if self.held is None else [self.held.select(*ACCOUNT, "as_of_date")]
        if self.night.replayed:
            replayed = self.rows.fresh("valuation").where(F.col("run_no").isin(self.night.replayed))
            accounts.append(replayed.select(*ACCOUNT, "as_of_date"))
        if not accounts:
            return None
        found = reduce(DataFrame.unionByName, accounts).groupBy(*ACCOUNT).agg(F.min("as_of_date").alias("_found"))
        state = self.lake.read("account_state").select(*ACCOUNT, F.date_add("as_of_date", 1).alias("_next"))
        since = F.coalesce("_next", "_found").alias("since")
        whole = found.join(state, ACCOUNT, "left").select(*ACCOUNT, since).localCheckpoint()
        first: date | None = whole.agg(F.min("since")).collect()[0][0]
        return None if first is None else (whole, first)

    def _findings(self) -> list[DataFrame]:
        asks, wrote = self.tolerances.has, self.rows.wrote
        found = []
        if asks(*OF_VALUES, "missing_accounts") and (wrote("valuation") or self.rows.whole):
            found += self._of_values()
        if asks(*OF_BOOKINGS) and (wrote("transaction") or self.rows.whole):
            bookings = self.rows.judged("transaction", "performance_date")
            days = days_of.booking_days(bookings, self._securities())
            found.append(self._judged(days, rules.BOOKINGS, "transaction"))
        if asks(*OF_POSITIONS) and (wrote("position") or self.rows.whole):
            found.append(self._judged(self._position_days(), rules.POSITIONS, "position"))
        if found:
            return found
        nothing = self.lake.read("held_account").limit(0)
        return [nothing.select(*ACCOUNT, "as_of_date", "rule", "reason", "severity", "state")]

    def _judged(self, days: DataFrame, asked: Sequence[AccountRule], table: str) -> DataFrame:
        measures = [rule.measure for rule in asked]
        return judged(classified(days, self.tolerances, *measures), asked, self.tolerances, table)

    def _of_values(self) -> list[DataFrame]:
        asks = self.tolerances.has
        valuations, found = self.rows.judged("valuation", "as_of_date"), []
        if asks(*OF_VALUES):
            days, asked = self._value_days(valuations), list(rules.VALUES)
            if asks("duplicate_account"):
                days, asked = days_of.with_twins(days, self.lake.current("account")), [*asked, rules.TWINS]
            if asks("stale_value"):
                owner = ["tenant_id", "vendor", "account_id"]
                values = self.rows.recent("valuation", self._days("stale_value")).where("market_value <> 0")
                stale = unchanged(values, owner, "market_value", self.rows.calendar)
                beside = days.join(stale, [*owner, "as_of_date"], "left")
                days = days_of.days_that_count(beside, self._held_for("stale_value"))
                days = days.withColumnRenamed("days", "unchanged_days")
                asked.append(rules.STALE_VALUE)
            found.append(self._judged(days, asked, "valuation"))
        if asks("missing_accounts") and self.rows.knows_states:
            found.append(self._judged(self._overdue(valuations), [rules.MISSING], "valuation"))
        return found

    def _value_days(self, valuations: DataFrame) -> DataFrame:
        if self.rows.knows_states and self.tolerances.has("value_jump", "flow_share"):
            policies = {tenant: self.rows.settings.tenant(tenant) for tenant in self.night.unpublished.progress}
            return days_of.value_days(valuations, self.lake.read("account_state"), self._flows(), policies)
        return days_of.values_alone(valuations)

    def _flows(self) -> DataFrame:
        """Bookings since the values before tonight's, whichever run brought them. Tonight's may be of days long gone: a
        history that comes at once, an appraisal weeks after its quarter's end."""
        days = [self.night.run.business_date, self.rows.first_day("valuation")]
        if self.rows.whole is not None:
            days.append(self.rows.whole[1])
        first = min(day for day in days if day is not None) - LONGEST_RHYTHM
        return self.rows.current("transaction", F.col("performance_date") >= F.lit(first))

    def _position_days(self) -> DataFrame:
        positions = self.rows.judged("position", "as_of_date")
        first = self.night.run.business_date - RECENT
        if self.rows.whole is not None:  # what is held for older holdings is looked at again
            first = min(first, self.rows.whole[1])
        positions = positions.where(F.col("as_of_date") >= F.lit(first))
        stale = None
        if self.tolerances.has("stale_price"):
            stale = unchanged(self._prices(positions), SECURITY, "price", self.rows.calendar)
        return days_of.position_days(positions, self._securities(), stale, self._held_for("stale_price"))

    def _securities(self) -> DataFrame | None:
        if not (self.tolerances.has("unknown_security") and self.lake.exists("security")):
            return None
        return days_of.known_securities(self.lake.read("security").where(self.rows.in_scope))

    def _prices(self, positions: DataFrame) -> DataFrame:
        """One price per security and day, of some weeks: the vendor's own, else those of its positions."""
        source, back = ["tenant_id", "vendor"], self._days("stale_price")
        prices = self.rows.recent("price", back).select(*SECURITY, "as_of_date", "price")
        pricing = prices.select(*source).distinct().localCheckpoint()
        others = positions.select(*source).distinct().join(pricing, source, "left_anti")
        if not others.isEmpty():
            held = self.rows.recent("position", back).where("price IS NOT NULL").join(pricing, source, "left_anti")
            prices = prices.unionByName(held.groupBy(*SECURITY, "as_of_date").agg(F.max("price").alias("price")))
        return prices

    def _overdue(self, valuations: DataFrame) -> DataFrame:
        """Accounts that the vendor valued last and does not value tonight; only their last dates are looked up."""
        since = F.lit(self.night.run.business_date - LONGEST_SILENCE)
        state = self.lake.read("account_state").where(self.rows.in_scope & (F.col("as_of_date") >= since))
        state = state.select(*ACCOUNT, "as_of_date", "end_market_value", "days", "begin_date", "inception_date")
        lost = state.join(valuations.select(*ACCOUNT).distinct(), ACCOUNT, "left_anti").localCheckpoint()
        dates = [day for (day,) in lost.select("as_of_date").distinct().collect()]
        valued = self.rows.current("valuation", F.col("as_of_date").isin(dates))
        lost = lost.join(valued.select(*ACCOUNT, "as_of_date", "vendor"), [*ACCOUNT, "as_of_date"])
        closed = self.lake.current("account").select(*ACCOUNT, "closed_on")
        return overdue(valuations.select(*days_of.DAY), lost, closed, self.rows.calendar)

    def _days(self, measure: Measure) -> int:
        """The longest limit of the rules for a measure in days."""
        return int(max(limit.max or 0 for rule in self.tolerances.of(measure) for limit in rule.limits))

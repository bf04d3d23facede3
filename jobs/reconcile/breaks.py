"""The life of a break: opened, aged, explained, accepted by a person, resolved by a later file, opened again.

Pure functions of DataFrames. Comparers give differences (DIFFERENCE); here they become rows of
gold.reconciliation_break, in the light of what was known. A row is written where something happened to a break; that it
is a day older is no event, and told where it is published.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.check.classes import classified
from jobs.check.tolerances import Tolerances
from jobs.check.verdict import VERDICT
from jobs.platform.business_calendar import Calendar, weekday_no
from jobs.platform.schemas import table
from jobs.reconcile.desk import BY_RULE, Desk
from jobs.reconcile.levels import (
    CHANGES_OF_ACCOUNT,
    LIVING,
    OF_TYPES,
    STATES_OF_ACCOUNT,
    claims,
    same_amount,
    wrong_dates,
)

# A difference as a comparer gives it, with rows also where the figures agree (obstacle and verdict NULL). Money and
# quantities are decimal(28,8); an explanation is given where a cause clears the difference within tolerance.
EXPLANATION = "struct<cause:string,words:string>"
DIFFERENCE = {
    "tenant_id": "string", "account_id": "string", "as_of_date": "date", "vendor": "string", "feed": "string",
    "type": "string", "item": "string", "ours": "double", "theirs": "double", "difference": "decimal(28,8)",
    "difference_bps": "double", "obstacle": "string", "verdict": VERDICT, "explanation": EXPLANATION,
}  # fmt: skip
BREAKS = "reconciliation_break"
FIGURES = ["ours", "theirs", "difference", "difference_bps"]
LOST, BEFORE = "not comparable any more: ", "; before: "  # in the reason of one that was seen wrong
# What a person says of a break, in Postgres; the next run takes it over (`acts.py`).
SAID = [
    "state", "reason", "owner", "assigned_by", "comment", "accepted_until", "accepted_by", "accepted_difference",
    "accepted_bps", "reopened_on", "reopened_by", "changed_on", "event_no",
]  # fmt: skip


def as_differences(rows: DataFrame) -> DataFrame:
    """A comparer's rows in the columns of DIFFERENCE; what it does not give is NULL."""
    return rows.select(
        *[
            (F.col(name) if name in rows.columns else F.lit(None)).cast(kind).alias(name)
            for name, kind in DIFFERENCE.items()
        ]
    )


def latest_breaks(rows: DataFrame) -> DataFrame:
    """Per break the row of the latest run: the one that counts; same columns."""
    by_run = Window.partitionBy("tenant_id", "break_id").orderBy(F.desc("run_no"))
    return rows.withColumn("_rank", F.row_number().over(by_run)).where("_rank = 1").drop("_rank")


def remembered(
    found: DataFrame,
    before: DataFrame,
    tolerances: Tolerances,
    desk: Desk,
    calendars: Mapping[str, Calendar],
    *,
    business_date: date,
    run_no: int,
    run_id: str,
    said: DataFrame | None = None,
) -> DataFrame:
    """Rows of gold.reconciliation_break: what was compared tonight, in the light of what was known.

    found: as `as_differences` gives it. before: rows of gold.reconciliation_break of earlier runs. said: tenant_id,
    break_id and SAID of breaks about which a person has said something since; they get a row although nothing was
    compared. A break that is compared and in tolerance now, on all its dates, is resolved; one that was resolved opens
    again. One that is not comparable any more on a date lives on with it, since nobody has corrected it. A figure that
    agrees and never differed leaves no row.
    """
    known = latest_breaks(_with_amounts(before))
    known = known.withColumn("_said", F.lit(False)) if said is None else _with_said(known, said)
    earlier = known.select(
        "tenant_id", "break_id", F.struct(*known.columns).alias("known"), wrong_dates().alias("_was_wrong")
    )
    # Few rows and a long plan: all that follows would be planned together with it, again at each step.
    claimed = claims(found, known, tolerances).localCheckpoint()
    joined = _by_break(claimed).join(earlier, ["tenant_id", "break_id"], "left" if said is None else "full")
    return _told(
        _judged(_gathered(joined), tolerances, F.lit(business_date)),
        desk,
        age=business_days_since("first_seen_on", business_date, calendars),
    ).select(
        *[name for name in table(BREAKS).names if name not in {"run_id", "run_no"}],
        F.lit(run_id).alias("run_id"),
        F.lit(run_no).cast("long").alias("run_no"),
    )


def _with_amounts(rows: DataFrame) -> DataFrame:
    """`rows` with `_amounts`: what each run said of the break, and of which date."""
    said = F.struct("run_no", "through_date", *FIGURES, "reason")
    return rows.withColumn("_amounts", F.collect_list(said).over(Window.partitionBy("tenant_id", "break_id")))


def business_days_since(day: str, until: date, calendars: Mapping[str, Calendar]) -> Column:
    """Business days after the column `day` up to and including `until`, by the calendar of the row's tenant."""
    age = F.lit(Calendar(name="").business_day_no(until)) - F.expr(weekday_no(day))
    for tenant_id, calendar in calendars.items():
        off = [holiday for holiday in calendar.weekday_holidays if holiday <= until]
        if off:
            passed = F.size(F.filter(F.array(*map(F.lit, off)), lambda one: one > F.col(day)))
            age = F.when(F.col("tenant_id") == tenant_id, age - passed).otherwise(age)
    return F.greatest(age, F.lit(0)).cast("int")


def _with_said(known: DataFrame, said: DataFrame) -> DataFrame:
    """`known` with what persons have said since, flagged by `_said`. A break that has ended meanwhile stays ended."""
    theirs = said.select("tenant_id", "break_id", F.struct(*SAID).alias("_theirs"))
    newer = F.coalesce(F.col("_theirs.event_no") > F.coalesce("event_no", F.lit(0)), F.lit(False))
    lives = F.col("state").isin(LIVING)
    taken = {
        name: F.when(newer & (lives | F.lit(name in {"comment", "event_no"})), F.col(f"_theirs.{name}")).otherwise(
            F.col(name)
        )
        for name in SAID
    }
    return known.join(F.broadcast(theirs), ["tenant_id", "break_id"], "left").select(
        *[taken.get(name, F.col(name)).alias(name) for name in known.columns], newer.alias("_said")
    )


def _by_break(claimed: DataFrame) -> DataFrame:
    """One row per break: the dates on which it was seen wrong and right, and the figures to show."""
    day = F.col("as_of_date").cast("string")
    is_found = ~F.col("_anchor")
    figures = F.struct(*FIGURES, "feed", "obstacle", "verdict", "explanation")
    # The latest date on which it is wrong; where it is wrong on none, the latest.
    latest = F.max_by(figures, F.when(is_found, F.struct("_breaks", "as_of_date")))
    return (
        claimed.groupBy("tenant_id", "break_id", "account_id", "type", "vendor", "item")
        .agg(
            latest.alias("now"),
            F.min(F.when(is_found, F.col("as_of_date"))).alias("_first"),
            F.array_sort(F.collect_set(F.when(is_found & F.col("_breaks"), day))).alias("_wrong"),
            F.collect_set(F.when(is_found & F.col("obstacle").isNull() & ~F.col("_breaks"), day)).alias("_right"),
            F.min("_ended").alias("_ended"),
        )
        .where("_first IS NOT NULL OR _ended IS NOT NULL")
    )


def _gathered(joined: DataFrame) -> DataFrame:
    """With the dates that are wrong now (`_dates`), whether one was seen tonight, and the figures that count."""
    nothing = F.array().cast("array<string>")
    wrong, right = F.coalesce("_wrong", nothing), F.coalesce("_right", nothing)
    still = F.array_except(F.array_union(F.coalesce("_was_wrong", nothing), wrong), right)
    is_over = F.col("type").isin(STATES_OF_ACCOUNT) & F.col("_ended").isNotNull()
    named = {name: F.coalesce(F.col(name), F.col(f"known.{name}")) for name in ("account_id", "type", "item")}
    # Figures of an earlier date of a break do not take the place of its last date's.
    shows = (F.size(wrong) > 0) & F.coalesce(
        F.array_max(wrong) >= F.col("known.through_date").cast("string"), F.lit(True)
    )
    return (
        joined.withColumns({**named, "vendor": F.coalesce("vendor", "known.source_vendor")})
        .withColumn("_dates", F.when(is_over, nothing).otherwise(F.array_sort(still)))
        .withColumns(
            {
                "_lives": F.size("_dates") > 0,
                "_seen": F.size(wrong) > 0,
                "as_of_date": F.coalesce("known.as_of_date", "_first"),
            }
        )
        .withColumn("_shows", F.col("_first").isNotNull() & (shows | ~F.col("_lives")))
        .withColumn("_back", _back())
        .withColumns({name: _newest(name) for name in FIGURES})
        .withColumn("feed", F.col("now.feed"))
        # Left out: what agrees and never differed or is resolved, and breaks of which nothing was seen or said.
        .where("known IS NOT NULL OR _lives OR now.obstacle IS NOT NULL")
        .where("NOT known.state <=> 'resolved' OR _lives OR now.obstacle IS NOT NULL OR known._said")
        .where("_first IS NOT NULL OR _ended IS NOT NULL OR known._said")
    )


def _back() -> Column:
    """Where its last date is right now and earlier ones are not, what was said of the last of these."""
    last = F.array_max("_dates").cast("date")
    of_date = F.filter("known._amounts", lambda one: one["through_date"] == last)
    return F.when(F.col("_lives") & ~F.col("_shows") & (last < F.col("known.through_date")), F.array_max(of_date))


def _newest(figure: str) -> Column:
    now, back, known = (F.col(f"{of}.{figure}") for of in ("now", "_back", "known"))
    return F.when(F.col("_shows"), now).when(F.col("_back").isNotNull(), back).otherwise(known)


def _judged(rows: DataFrame, tolerances: Tolerances, tonight: Column) -> DataFrame:
    """With state, and what becomes of an acceptance: it ends when its date has passed, the amount has moved, or an
    attribute that had changed has changed again."""
    was = F.col("known.state")
    then = F.coalesce("known.accepted_difference", "known.difference")
    then_bps = F.coalesce("known.accepted_bps", "known.difference_bps")
    same = same_amount(tolerances, (F.col("difference"), F.col("difference_bps")), (then, then_bps))
    # Of a later day: the same change may be seen twice on its own, by a run that is done again.
    changed_again = F.col("type").isin(CHANGES_OF_ACCOUNT) & F.coalesce(
        F.array_max("_wrong") > F.coalesce("known.through_date", "known.as_of_date").cast("string"), F.lit(False)
    )
    is_accepted = F.col("_lives") & (F.coalesce(was, F.lit("")) == "accepted")
    rows = classified(rows, tolerances, *OF_TYPES).withColumns(
        {
            "_passed": is_accepted & F.coalesce(F.col("known.accepted_until") < tonight, F.lit(False)),
            "_moved": is_accepted & (changed_again | (F.col("_shows") | F.col("_back").isNotNull()) & ~same),
        }
    )
    # One that a person opened again is not explained away by the same cause on the next night.
    explained = F.when(F.col("known.reopened_by").isNull(), F.col("now.explanation"))
    explained = F.when(F.col("_shows"), explained).otherwise(
        F.when(was == "explained", F.struct(F.col("known.cause").alias("cause"), F.col("known.reason").alias("words")))
    )
    is_ended = F.col("_passed") | F.col("_moved")
    state = (
        F.when(~F.col("_lives") & F.col("now.obstacle").isNotNull(), "not_comparable")
        .when(~F.col("_lives") & F.col("_first").isNull() & ~F.col("type").isin(STATES_OF_ACCOUNT), was)
        .when(~F.col("_lives"), "resolved")
        .when(is_accepted & ~is_ended, "accepted")
        .when(F.col("_explained").isNotNull(), "explained")
        .otherwise("open")
    )
    rows = rows.withColumn("_explained", explained).withColumns({"state": state, "_acceptance_ended": is_ended})
    opens_again = F.col("_acceptance_ended") | ((was == "resolved") & F.col("_lives"))
    return rows.withColumns(
        {
            "_opens_again": F.coalesce(opens_again, F.lit(False)),
            "_is_new": was.isNull() | ((was == "not_comparable") & F.col("_lives")),
            "_changes": ~F.col("state").eqNullSafe(was) | F.col("_acceptance_ended"),
            "tonight": tonight,
        }
    )


def _told(rows: DataFrame, desk: Desk, *, age: Column) -> DataFrame:
    """The columns of the table."""
    lives, tonight = F.col("_lives"), F.col("tonight")

    def kept(name: str, unless: Column) -> Column:
        return F.when(~unless, F.col(f"known.{name}"))

    is_seen = F.col("_seen") | (~lives & F.col("now.obstacle").isNotNull())
    closed = F.col("_changes") & (F.col("state") == "resolved")
    given_up = F.col("_acceptance_ended") | (F.col("state") == "resolved")
    by_person = F.coalesce(F.col("known.assigned_by") != BY_RULE, F.lit(False))
    by_rule = F.when(lives, desk.owner()).otherwise(F.col("known.owner"))
    owner = F.when(by_person, F.col("known.owner")).otherwise(by_rule)
    severity = F.when(lives & F.col("_shows"), F.col("now.verdict.severity")).when(
        F.col("state") != "not_comparable", F.col("known.severity")
    )
    told = {
        "source_vendor": F.col("vendor"),
        "severity": severity,
        "first_seen_on": F.when(F.col("_is_new"), tonight).otherwise(F.col("known.first_seen_on")),
        "last_seen_on": F.when(is_seen, tonight).otherwise(F.col("known.last_seen_on")),
        "reason": _reason(),
        "through_date": F.when(lives, F.array_max("_dates").cast("date")).otherwise(F.col("known.through_date")),
        "dates": F.when(lives, F.array_join("_dates", ",")),
        "ended_on": F.coalesce(
            kept("ended_on", F.col("_opens_again") & (F.col("known.state") == "resolved")), "_ended"
        ),
        "materiality": F.when(lives, desk.size_band()).otherwise(F.col("known.materiality")),
        "cause": F.coalesce(F.col("_explained.cause"), kept("cause", lives & F.col("_shows"))),
        "owner": owner,
        "assigned_by": F.when(by_person, F.col("known.assigned_by")).when(owner.isNotNull(), BY_RULE),
        "comment": F.col("known.comment"),
        "accepted_until": kept("accepted_until", given_up),
        "accepted_by": kept("accepted_by", given_up),
        "accepted_difference": kept("accepted_difference", given_up),
        "accepted_bps": kept("accepted_bps", given_up),
        "reopened_on": F.when(F.col("_opens_again"), tonight).otherwise(F.col("known.reopened_on")),
        "reopened_by": kept("reopened_by", closed),
        "changed_on": F.when(F.col("_changes"), tonight).otherwise(F.col("known.changed_on")),
        "event_no": F.col("known.event_no"),
    }
    return (
        rows.withColumns(told)
        .withColumn("age_days", F.when(lives, age).otherwise(F.col("known.age_days")))
        .withColumn("age_band", F.when(lives, desk.age_band()).otherwise(F.col("known.age_band")))
    )


def _reason() -> Column:
    was, broken = F.col("known.state"), F.coalesce(F.col("_explained.words"), _broken_in_words())
    until = F.concat(
        F.lit("accepted"),
        F.coalesce(F.concat(F.lit(" by "), F.col("known.accepted_by")), F.lit("")),
        F.coalesce(F.concat(F.lit(" until "), F.col("known.accepted_until").cast("string")), F.lit("")),
        F.when(F.col("_moved") & F.col("type").isin(CHANGES_OF_ACCOUNT), ", but it has changed again")
        .when(F.col("_moved"), ", but the difference has moved")
        .otherwise(", which has passed"),
    )
    again = F.concat(F.lit("reopened by "), F.col("known.reopened_by"))
    differed = F.regexp_replace(F.coalesce("_back.reason", "known.reason"), f"^{LOST}.*?{BEFORE}", "")
    lost = F.concat(F.lit(LOST), F.col("now.obstacle"), F.lit(BEFORE), differed)
    return (
        F.when(F.col("state") == "not_comparable", F.coalesce(F.col("now.obstacle"), F.col("known.reason")))
        .when((F.col("state") == "resolved") & F.col("_changes"), "the figures agree now")
        .when(F.col("_acceptance_ended"), F.concat_ws("; ", until, broken))
        .when(F.col("state") == "explained", broken)
        .when((F.col("state") == "open") & ~F.col("_shows"), F.coalesce(lost, "_back.reason", "known.reason"))
        .when(F.col("state") == "open", F.concat_ws("; ", F.when(was.isin(LIVING), again), broken))
        .otherwise(F.col("known.reason"))
    )


def _broken_in_words() -> Column:
    """`ours less theirs is -12.50 (-0.4 bps), expected at most 0.05 money and at most 0.01 bps (rule begin_value)`."""
    bps = F.concat(F.format_number("difference_bps", 2), F.lit(" bps"))
    money = F.concat(F.format_number("difference", 2), F.coalesce(F.concat(F.lit(" ("), bps, F.lit(")")), F.lit("")))
    size = F.coalesce(F.concat(F.lit("ours less theirs is "), F.coalesce(money, bps)), F.lit("the two differ"))
    return F.concat(
        size,
        F.lit(", expected "),
        F.col("now.verdict.expected"),
        F.lit(" (rule "),
        F.col("now.verdict.rule"),
        F.lit(")"),
    )

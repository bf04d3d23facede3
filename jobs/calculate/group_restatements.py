"""gold.restatement, of groups: what restated members change in them, and what those that wait would change.

Groups follow their members, so none waits; a preview says beforehand what an approval brings.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.calculate.causes import causes
from jobs.calculate.due import is_fresh
from jobs.calculate.effects import effects
from jobs.calculate.gold import Gold
from jobs.calculate.inputs import ACCOUNT
from jobs.calculate.member_changes import GROUP
from jobs.calculate.night import Night
from jobs.calculate.restatement_table import CAUSE, NO_INPUT, RESTATEMENT, class_sql, complete, in_words
from jobs.platform.schemas import table

OWN_ID = "concat_ws('/', tenant_id, group_type, group_id, epoch)"
PREVIEW_ID = "concat_ws('/', tenant_id, group_type, group_id, 'preview')"
LINEAGE = [name for name in CAUSE if name not in {"cause_kind", "cause"}]
NAMES = ", ".join([*LINEAGE, "cause"])


class GroupRestatements:
    """Judges the groups of one run. `memberships` as they are now, `touched` (tenant_id, account_id, from_date) and
    `changed` (the same and the group's key; or None): what made groups due, see `group_due.due_groups`."""

    def __init__(self, night: Night, memberships: DataFrame, touched: DataFrame, changed: DataFrame | None) -> None:
        self.night, self.memberships, self.touched, self.changed = night, memberships, touched, changed
        self.found: list[DataFrame] = []

    def judge(self, calculated: DataFrame, existing: DataFrame, opened: DataFrame, *, restated: int) -> int:
        """Note the groups of `opened` (the group's key, from_date, epoch); none of them waits."""
        if restated:
            self._note(calculated, existing, opened, state="published", named=OWN_ID)
        return 0

    def without_held(self, rows: DataFrame) -> DataFrame:
        """`rows`, as no group waits."""
        return rows

    def clear(self) -> None:
        """Nothing of a group is written yet: the run's accounts, judged before, replaced what there was."""

    def preview(self, gold: Gold, calculated: DataFrame, opening: DataFrame | None) -> None:
        """Note what the groups would be with `calculated`, beside their rows of now after the `opening` ones."""
        begin = gold.begin(calculated.select(*GROUP).distinct(), opening)
        now = gold.current(gold.rows()).join(begin, GROUP).where("opened IS NULL OR as_of_date > opened").drop("opened")
        proposed = gold.proposed(calculated, now.localCheckpoint())
        self._note(calculated, now, proposed.opened, state="preview", named=PREVIEW_ID)

    def withdraw(self, waited: DataFrame, waits: DataFrame) -> None:
        """Note that the previews of groups have ended in which accounts of `waited` (tenant_id, account_id) no longer
        wait and none of `waits` does."""
        lake, run_no = self.night.lake, self.night.run.run_no
        rows = lake.read(RESTATEMENT).where((F.col("run_no") != run_no) & F.col("group_id").isNotNull())
        last = Window.partitionBy("tenant_id", "restatement_id").orderBy(F.desc("run_no"))
        previews = rows.withColumn("_place", F.row_number().over(last)).where("_place = 1 AND state = 'preview'")
        ended = self._groups_of(waited).join(self._groups_of(waits), GROUP, "left_anti")
        found = previews.drop("_place").join(ended, GROUP, "left_semi").withColumn("state", F.lit("withdrawn"))
        self.found.append(complete(found, self.night.run).localCheckpoint())

    def write(self) -> None:
        """Put what was noted beside the run's accounts."""
        lake, run = self.night.lake, self.night.run
        if not self.found:
            return
        wrote = lake.exists(RESTATEMENT) and lake.last_run(RESTATEMENT) >= run.run_no
        of_accounts = [lake.written_by(RESTATEMENT, [run.run_no]).where("group_id IS NULL")] if wrote else []
        rows = reduce(DataFrame.unionByName, [*of_accounts, *self.found]).localCheckpoint()
        lake.write_run(rows, RESTATEMENT, run.run_no, run.run_id)

    def write_again(self) -> None:
        """Put what was noted in place of what an earlier look at the run's groups has found; previews stay."""
        lake, run = self.night.lake, self.night.run
        wrote = lake.exists(RESTATEMENT) and lake.last_run(RESTATEMENT) >= run.run_no
        if not (wrote or self.found):
            return
        others = "group_id IS NULL OR state <> 'published'"
        kept = [lake.written_by(RESTATEMENT, [run.run_no]).where(others)] if wrote else []
        rows = reduce(DataFrame.unionByName, [*kept, *self.found]).localCheckpoint()
        lake.write_run(rows, RESTATEMENT, run.run_no, run.run_id)

    def _note(self, calculated: DataFrame, existing: DataFrame, opened: DataFrame, *, state: str, named: str) -> None:
        night = self.night
        changes = effects(calculated, existing, opened, GROUP, table("group_performance_daily")).localCheckpoint()
        because = self._because(changes, self._members(state))
        rows = (
            changes.join(opened.select(*GROUP, "epoch"), GROUP)
            .join(because, GROUP, "left")
            .withColumns(
                {
                    "restatement_id": F.expr(named),
                    "materiality": F.expr(f"{class_sql(night.settings, night.silver.tenants)}.name"),
                    "state": F.lit(state),
                    "cause_kind": F.coalesce("cause_kind", F.lit("none")),
                    "cause": F.coalesce("cause", F.lit(NO_INPUT)),
                }
            )
        )
        self.found.append(complete(rows, night.run).localCheckpoint())

    def _members(self, state: str) -> DataFrame:
        """tenant_id, account_id, from_date, own: the members that changed, `own` being the size and cause of their
        restatement where they have one. A preview is of restatements that wait alone."""
        lake, run_no = self.night.lake, self.night.run.run_no
        wanted = "published" if state == "published" else "waiting"
        rows = lake.written_by(RESTATEMENT, [run_no]).where(F.col("group_id").isNull() & (F.col("state") == wanted))
        own = rows.selectExpr(*ACCOUNT, "from_date AS own_from", f"struct(abs(value_change) AS size, {NAMES}) AS own")
        touched = self.touched if state == "published" else self.touched.limit(0)
        return touched.join(own, ACCOUNT, "full").selectExpr(*ACCOUNT, "least(from_date, own_from) AS from_date", "own")

    def _because(self, changes: DataFrame, members: DataFrame) -> DataFrame:
        """The group's key and its cause: the member whose change comes first; of several on that day one that joined or
        left, else the one whose value changes most."""
        picked = self._candidates(members).join(F.broadcast(changes.select(*GROUP)), GROUP, "left_semi")
        order = "struct(input_date, kind <> 'membership', -abs(coalesce(own.size, 0)), account_id)"
        first = picked.groupBy(*GROUP).agg(
            F.expr(f"min_by(struct(kind, account_id, input_date, own), {order}) AS first")
        )
        chosen = self._with_inputs(first.select(*GROUP, "first.*").localCheckpoint())
        words = (
            "concat(IF(kind = 'membership', 'membership of ', 'member '), account_id,"
            " coalesce(concat(', ', own.cause), concat(', ', said), concat(' since ', input_date)))"
        )
        given = [f"coalesce(own.{name}, input_{name}) AS {name}" for name in LINEAGE]
        return chosen.selectExpr(*GROUP, "kind AS cause_kind", f"{words} AS cause", *given)

    def _candidates(self, members: DataFrame) -> DataFrame:
        """The group's key, account_id, input_date, kind, own (of a changed membership that is the cause: NULL)."""
        by_member = (
            members.join(self.memberships.withColumnRenamed("from_date", "since"), ACCOUNT)
            .where("to_date IS NULL OR to_date >= from_date")
            .selectExpr(*GROUP, "account_id", "greatest(from_date, since) AS input_date", "'member' AS kind", "own")
        )
        if self.changed is None:
            return by_member
        by_membership = self.changed.selectExpr(*GROUP, "account_id", "from_date AS input_date", "'membership' AS kind")
        return by_member.unionByName(by_membership, allowMissingColumns=True)

    def _with_inputs(self, chosen: DataFrame) -> DataFrame:
        """`chosen` with said, input_file_id, input_path, input_line_no, input_vendor, input_feed: the fresh input of
        members that were not restated themselves."""
        others = chosen.where("own IS NULL").groupBy(*ACCOUNT).agg(F.min("input_date").alias("from_date"))
        others = others.selectExpr(
            *ACCOUNT, "from_date", "date_sub(from_date, 1) AS period_begin", "CAST(NULL AS STRING) AS currency"
        ).localCheckpoint()
        if others.isEmpty():
            kinds = table(RESTATEMENT).struct
            none = {f"input_{name}": F.lit(None).cast(kinds[name].dataType) for name in LINEAGE}
            return chosen.withColumns({"said": F.lit(None).cast("string"), **none})
        night = self.night
        found = causes(night.silver, others, night.progress).drop("cause_kind").withColumn("place", F.lit(1))
        for name in ("account_group_member", "account"):
            if night.wrote_since(name):
                rows = night.silver.every(name).where(is_fresh(night.progress))
                anew = rows.join(F.broadcast(others.select(*ACCOUNT)), ACCOUNT).groupBy(*ACCOUNT)
                first = anew.agg(F.expr("min_by(struct(vendor, feed, file_id, line_no), (arrival_no, line_no)) AS row"))
                found = found.unionByName(
                    first.selectExpr(*ACCOUNT, "'as delivered' AS what", "row.*", "1 AS inputs", "2 AS place")
                )
        one = found.groupBy(*ACCOUNT).agg(
            F.expr("min_by(struct(what, vendor, feed, file_id, line_no, inputs), place) AS row")
        )
        told = in_words(one.select(*ACCOUNT, "row.*"), night.run)
        said = told.selectExpr(*ACCOUNT, "cause AS said", *[f"{name} AS input_{name}" for name in LINEAGE])
        return chosen.join(said, ACCOUNT, "left")

    def _groups_of(self, accounts: DataFrame) -> DataFrame:
        return self.memberships.join(accounts.select(*ACCOUNT), ACCOUNT, "left_semi").select(*GROUP).distinct()

"""The class of an account, by which a rule of conf/tolerances.yaml may differ: which model portfolio it follows."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from jobs.check.tolerances import Measure, Rule, Tolerances, load_tolerances
from jobs.platform.lake import Lake
from jobs.platform.settings import Settings

ACCOUNT = ["tenant_id", "account_id"]
CLASS = "account_class"


def tolerances_of(lake: Lake, settings: Settings) -> Tolerances:
    """The tolerances of the configuration, and the classes of the accounts where a rule asks for one."""
    tolerances = load_tolerances(settings)
    if not _by_class(tolerances.rules):
        return tolerances
    return knowing(tolerances, lake.current("account"))


def knowing(tolerances: Tolerances, accounts: DataFrame) -> Tolerances:
    """The tolerances with the classes of these accounts.

    accounts: current rows of silver.account; of several dates and vendors the latest counts.
    """
    last = F.max_by("model_id", F.struct("effective_from", "vendor"))
    followed = accounts.groupBy(*ACCOUNT).agg(last.alias("_model"))
    classes = followed.select(*ACCOUNT, _class(tolerances).alias(CLASS)).where(F.col(CLASS).isNotNull())
    return tolerances.with_classes(classes)


def classified(rows: DataFrame, tolerances: Tolerances, *measures: Measure) -> DataFrame:
    """`rows` (tenant_id, account_id, ...) with account_class, NULL for accounts of no class, where a rule of these
    measures asks for it; else as they are: the account master is not looked at for nothing."""
    if not _by_class(tolerances.of(*measures)):
        return rows
    if tolerances.classes is None:
        raise ValueError("a rule asks for an account's class, and nobody has said which accounts there are")
    return rows.join(tolerances.classes, ACCOUNT, "left")


def _by_class(rules: list[Rule]) -> bool:
    return any(rule.account_class is not None for rule in rules)


def _class(tolerances: Tolerances) -> Column:
    found = F.lit(None).cast("string")
    for one in reversed(tolerances.account_classes):
        found = F.when(F.col("_model").isin(one.model_id), one.name).otherwise(found)
    return found

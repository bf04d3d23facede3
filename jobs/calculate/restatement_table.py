"""gold.restatement: what its rows say alike of accounts and groups, their class and their cause in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.calculate.policies import literal
from jobs.check.materiality import Materiality, in_force
from jobs.check.tolerances import load_tolerances
from jobs.platform.ledger import Run
from jobs.platform.local_rows import local_rows
from jobs.platform.schemas import table
from jobs.platform.settings import Settings

RESTATEMENT = "restatement"
CAUSE = ["cause_kind", "file_id", "path", "line_no", "vendor", "feed", "cause"]
NO_INPUT = "no new input: a setting, a calendar, the code, or --from"
FILE = T.StructType([T.StructField(name, T.StringType()) for name in ("file_id", "path")])


def in_words(found: DataFrame, run: Run) -> DataFrame:
    """`found` (what, file_id, line_no, vendor, inputs and others) with path and cause in place of what and inputs.

    The number of files, not of accounts, bounds what comes to the driver.
    """
    ids = [file_id for (file_id,) in found.select("file_id").distinct().collect()]
    files = [
        (file.file_id, f"{file.path} / {file.member}" if file.member else file.path)
        for file in run.ledger.files_by_id(ids)
    ]
    named = found.join(F.broadcast(local_rows(found.sparkSession, files, FILE)), "file_id", "left")
    place = "coalesce(path, file_id), IF(line_no > 0, concat(' line ', line_no), ', which lists it no more')"
    others = "IF(inputs > 1, concat(', and ', inputs - 1, ' more'), '')"
    words = f"concat(what, ': ', {place}, ' (', vendor, ')', {others})"
    return named.withColumn("cause", F.expr(words)).drop("what", "inputs")


def complete(rows: DataFrame, run: Run) -> DataFrame:
    """`rows` in the table's columns, as the run's; what is not given is NULL."""
    struct = table(RESTATEMENT).struct
    given = {"run_id": F.lit(run.run_id), "run_no": F.lit(run.run_no).cast("long")}
    empty = {
        field.name: F.lit(None).cast(field.dataType) for field in struct if field.name not in {*rows.columns, *given}
    }
    return rows.withColumns({**given, **empty}).select(*struct.names)


def class_sql(settings: Settings, tenants: Sequence[str]) -> str:
    """SQL: the class of value_change and return_change_bp as struct(name, place, publish), NULL without any."""
    return _per_tenant(
        settings,
        tenants,
        lambda one: one.class_sql("value_change", "return_change_bp"),
        "CAST(NULL AS STRUCT<name: STRING, place: INT, publish: BOOLEAN>)",
    )


def names_sql(settings: Settings, tenants: Sequence[str]) -> str:
    """SQL: the classes' names, from the smallest change up."""
    return _per_tenant(
        settings,
        tenants,
        lambda one: f"array({', '.join(literal(c.name) for c in one.classes)})",
        "CAST(NULL AS ARRAY<STRING>)",
    )


def _per_tenant(settings: Settings, tenants: Sequence[str], text: Callable[[Materiality], str], otherwise: str) -> str:
    entries = load_tolerances(settings).materiality
    by_tenant = {tenant: in_force(entries, tenant) for tenant in tenants}
    cases = [f"WHEN tenant_id = {literal(tenant)} THEN {text(one)}" for tenant, one in by_tenant.items() if one]
    return f"(CASE {' '.join(cases)} ELSE {otherwise} END)" if cases else otherwise

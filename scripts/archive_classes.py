"""Make the JVM's class archive: start Spark once, do what a night does in small, and let the JVM keep the classes.

Every later start maps the archive instead of loading 20,000 classes from jars (measured: a quarter less until the first
Delta table is written). Nothing depends on it: where it cannot be made, Spark starts as it always did.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from datetime import date
from decimal import Decimal
from pathlib import Path

from pyspark import SparkContext
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from jobs.platform.settings import Settings
from jobs.platform.spark_conf import CLASS_ARCHIVE, spark_conf


def main() -> int:
    """Exit status 0 also where the archive cannot be made: it only saves time."""
    print(f"setup: class archive for the JVM, into {CLASS_ARCHIVE.parent}")
    fresh = CLASS_ARCHIVE.with_suffix(".new")
    CLASS_ARCHIVE.unlink(missing_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="dietz-classes-") as workspace:
            os.environ["DIETZ_HOME"] = workspace
            a_small_night(record(Settings(), fresh), Path(workspace))
        fresh.replace(CLASS_ARCHIVE)
    except Exception as error:
        fresh.unlink(missing_ok=True)
        print(f"setup: no class archive ({str(error).splitlines()[0]}); Spark starts without")
    return 0


def record(settings: Settings, archive: Path) -> SparkSession:
    """A session whose JVM writes its classes to `archive` when it ends."""
    conf = spark_conf(settings)
    keep = f'"-XX:ArchiveClassesAtExit={archive}" -Xlog:cds=off -Xlog:cds+dynamic=off'
    options = f"{conf['spark.driver.extraJavaOptions']} {keep}"
    conf |= {"spark.driver.memory": "1g", "spark.driver.extraJavaOptions": options}
    builder = SparkSession.builder.master("local[2]")
    for key, value in conf.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


def a_small_night(spark: SparkSession, workspace: Path) -> None:
    """Read lines, parse, join, chain by window, write Delta twice by replaceWhere, read back; then end the JVM."""
    lines, table = str(workspace / "lines.csv"), str(workspace / "table")
    Path(lines).write_text("id,day,amount\n" + "".join(f"a{n},2026-01-0{n},{n}.5\n" for n in range(1, 9)), "utf-8")
    day = F.try_to_timestamp("day", F.lit("yyyy-MM-dd")).cast("date")
    rows = spark.read.csv(lines, header=True).select(
        "id", day.alias("day"), F.expr("try_cast(amount AS decimal(28,8))")
    )
    names = spark.createDataFrame([("a1", date(2026, 1, 1), Decimal(1))], "id string, since date, weight decimal(28,8)")
    chain = Window.partitionBy("id").orderBy("day").rowsBetween(Window.unboundedPreceding, 0)
    result = (
        rows.join(F.broadcast(names), "id", "left")
        .withColumn("growth", F.product(F.lit(1.0) + F.col("amount").cast("double") / 100).over(chain))
        .withColumn("run_no", F.lit(1))
    )
    for _ in range(2):
        result.write.format("delta").mode("overwrite").option("replaceWhere", "run_no = 1").save(table)
    spark.read.format("delta").load(table).groupBy("run_no").agg(F.sum("amount"), F.count_distinct("id")).collect()
    gateway = SparkContext._gateway
    spark.stop()
    java: subprocess.Popen[bytes] = gateway.proc  # type: ignore[union-attr]
    gateway.shutdown()  # type: ignore[union-attr]
    java.stdin.close()  # type: ignore[union-attr]
    java.wait(timeout=180)


if __name__ == "__main__":
    sys.exit(main())

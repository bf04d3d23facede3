"""Spark properties that every way of starting (session, spark-submit, Airflow) shares; needs no Spark to import."""

from __future__ import annotations

import sys
from pathlib import Path

from jobs.platform.settings import PROJECT_ROOT, Settings

# Classes of Spark and Delta as the JVM keeps them in memory, made by `make setup`: a quarter off every cold start.
# A JVM that the archive does not fit (another Java, another jar) says nothing and starts as usual.
CLASS_ARCHIVE = Path(sys.prefix) / "classes.jsa"
LOG_CONF = PROJECT_ROOT / "conf" / "spark" / "log4j2.properties"
# A night is mostly planning: thousands of methods that run a few thousand times each. The second compiler takes a third
# of the processor for them; called four times as late it takes a fifth, and a loop over rows still gets there at once.
# Room for all that is compiled, or the JVM sweeps it out and compiles it again. Fewer, longer collections fit a batch.
COMPILING = [
    "-XX:Tier4InvocationThreshold=20000",
    "-XX:Tier4MinInvocationThreshold=3000",
    "-XX:Tier4CompileThreshold=60000",
    "-XX:Tier4BackEdgeThreshold=160000",
    "-XX:ReservedCodeCacheSize=512m",
    "-XX:+UseParallelGC",
]


def spark_conf(settings: Settings) -> dict[str, str]:
    """The properties of a session, from `conf/*.yaml`. Delta's jars need none: they lie among Spark's own."""
    conf = settings.conf.spark
    warehouse = settings.home.resolve() / "lake" / "_warehouse"
    return {
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.driver.memory": conf.driver_memory,
        "spark.sql.shuffle.partitions": str(conf.shuffle_partitions),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.warehouse.dir": str(warehouse),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Without a page to show them on, the plans and stages of the past would only fill the driver's memory.
        "spark.sql.ui.retainedExecutions": "5",
        "spark.ui.retainedJobs": "50",
        "spark.ui.retainedStages": "50",
        "spark.ui.retainedTasks": "500",
        "spark.databricks.delta.snapshotPartitions": "1",
        # By default every sort, every aggregate and every broadcast of two rows takes (and clears) 64 MB at once.
        "spark.buffer.pageSize": "2m",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # Else every operator on a column tells the JVM where in the Python code it stands: eight calls in place of one.
        "spark.python.sql.dataFrameDebugging.enabled": "false",
        "spark.speculation": "false",
        # Titles and codes are compared in lower case; ICU's tables would take a second to build for it.
        "spark.sql.icu.caseMappings.enabled": "false",
        # The JVM never compiles a method of more than 8000 bytes; Spark then had better not make one.
        "spark.sql.codegen.hugeMethodLimit": "8000",
        # A vendor's times in nanoseconds: as whole numbers, or Spark would refuse the file.
        "spark.sql.legacy.parquet.nanosAsLong": "true",
        # Vendors write windows-1252 and older code pages; without this Spark decodes but a handful of encodings.
        "spark.sql.legacy.javaCharsets": "true",
        # A night has hundreds of small files: listing them is no job of its own.
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "10000",
        # So many accounts named in a filter are looked up one by one, more as all between the first and the last.
        "spark.sql.parquet.pushdown.inFilterThreshold": "250",
        **conf.conf,
        **_java_options(conf.conf.get("spark.driver.extraJavaOptions", "")),
    }


def _java_options(configured: str) -> dict[str, str]:
    options = [f'"-Dlog4j2.configurationFile={LOG_CONF.as_uri()}"', *COMPILING]
    if CLASS_ARCHIVE.exists():
        options += [f'"-XX:SharedArchiveFile={CLASS_ARCHIVE}"', "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]
    return {"spark.driver.extraJavaOptions": " ".join([*options, configured]).strip()}

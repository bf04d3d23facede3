"""The one Spark session of a run."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from jobs.platform.settings import Settings

# Delta's jars, put beside the interpreter by `make setup`, so that no start-up resolves packages over the network.
JARS = Path(sys.prefix) / "jars"


def get_spark(settings: Settings, app_name: str = "dietz") -> SparkSession:
    """The running session, or a new one built from `conf/*.yaml`; under spark-submit its own settings win."""
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    os.environ["PYSPARK_PYTHON"] = sys.executable  # else Spark starts whatever python3 is first on the path
    conf = settings.conf.spark
    builder = SparkSession.builder.appName(app_name)
    for key, value in spark_conf(settings).items():
        builder = builder.config(key, value)
    master = settings.spark_master or (None if "SPARK_SUBMITTED" in os.environ else conf.master)
    if master:
        builder = builder.master(master)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def spark_conf(settings: Settings) -> dict[str, str]:
    """Spark properties that every way of starting (session, spark-submit, Airflow) must share."""
    conf = settings.conf.spark
    warehouse = settings.folder("lake") / "_warehouse"
    return {
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.driver.extraClassPath": str(JARS / "*"),
        "spark.executor.extraClassPath": str(JARS / "*"),
        "spark.driver.memory": conf.driver_memory,
        "spark.sql.shuffle.partitions": str(conf.shuffle_partitions),
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.warehouse.dir": str(warehouse),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.speculation": "false",
        **conf.conf,
    }

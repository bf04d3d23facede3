"""The one Spark session of a run."""

from __future__ import annotations

import logging
import os
import sys

from pyspark import SparkConf
from pyspark.sql import SparkSession

from jobs.platform.settings import Settings
from jobs.platform.spark_conf import spark_conf


def get_spark(settings: Settings, app_name: str = "dietz") -> SparkSession:
    """The running session, or a new one built from `conf/*.yaml`; under spark-submit its own settings win."""
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    # PySpark prints the whole Java stack of an error as JSON; the exception says it in a line.
    logging.getLogger("DataFrameQueryContextLogger").setLevel(logging.CRITICAL)
    os.environ["PYSPARK_PYTHON"] = sys.executable  # else Spark starts whatever python3 is first on the path
    # Under spark-submit the JVM runs already, and what it was given is in its system properties.
    submitted = SparkConf() if "PYSPARK_GATEWAY_PORT" in os.environ else None
    builder = SparkSession.builder
    wanted = {
        **spark_conf(settings),
        "spark.app.name": app_name,
        "spark.master": settings.spark_master or settings.conf.spark.master,
    }
    for key, value in wanted.items():
        if submitted is None or not submitted.contains(key):
            builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark

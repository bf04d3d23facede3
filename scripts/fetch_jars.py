"""Put Delta's jars beside Spark's own, resolved by Spark's own Ivy, so that no start of Spark needs the network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import pyspark

SPARK_HOME = Path(pyspark.__file__).parent
JARS = SPARK_HOME / "jars"
DELTA = f"io.delta:delta-spark_{'.'.join(version('pyspark').split('.')[:2])}_2.13:{version('delta-spark')}"
OURS = ("io.delta", "io.unitycatalog")  # what Delta brings beyond the jars that PySpark ships itself
ATTEMPTS = 2


def main() -> int:
    """Fetch unless the jars of this Delta are there. Exit status 1 with one line where Ivy does not find them."""
    stamp = Path(sys.prefix) / "delta.version"
    there = any(JARS.glob("io.delta_delta-spark*"))
    if there and stamp.exists() and stamp.read_text(encoding="utf-8").strip() == DELTA:
        return 0
    print(f"setup: {DELTA}, beside Spark's own jars")
    for attempt in range(1, ATTEMPTS + 1):
        with tempfile.TemporaryDirectory(prefix="dietz-ivy-") as ivy:
            output = resolve(Path(ivy))
            found = [jar for jar in Path(ivy, "jars").glob("*.jar") if jar.name.startswith(OURS)]
            if any("delta-spark" in jar.name for jar in found):
                for old in JARS.glob("io.*"):
                    if old.name.startswith(OURS):
                        old.unlink()
                for jar in found:
                    shutil.copyfile(jar, JARS / jar.name)
                stamp.write_text(DELTA + "\n", encoding="utf-8")
                return 0
        if attempt < ATTEMPTS:
            print("setup: that failed, once more")
    print(f"dietz: {DELTA} could not be fetched: {reason(output)}", file=sys.stderr)
    return 1


def resolve(ivy: Path) -> str:
    """Let spark-submit resolve the package into `ivy`, running nothing; returns what it printed."""
    nothing = ivy / "nothing.py"
    nothing.write_text("", encoding="utf-8")
    submit = [str(SPARK_HOME / "bin" / "spark-submit"), "--master", "local[1]", "--conf", f"spark.jars.ivy={ivy}"]
    done = subprocess.run(
        [*submit, "--packages", DELTA, str(nothing)],
        env={**os.environ, "SPARK_HOME": str(SPARK_HOME), "PYSPARK_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr + done.stdout


def reason(output: str) -> str:
    """The line of Ivy's pages that says what went wrong."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if "UNRESOLVED" in line or "unresolved dependency" in line or "Exception" in line]
    return (telling or lines or ["Spark printed nothing"])[-1]


if __name__ == "__main__":
    sys.exit(main())

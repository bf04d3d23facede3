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
# What the packages bring beyond the jars that PySpark ships itself.
WANTED = ("io.delta", "io.unitycatalog", "org.apache.hadoop_hadoop-aws", "software.amazon")
DELTA = f"io.delta:delta-spark_{'.'.join(version('pyspark').split('.')[:2])}_2.13:{version('delta-spark')}"
ATTEMPTS = 2


def main(arguments: list[str]) -> int:
    """Fetch what is not there; with --s3 also what Spark needs to read and write s3a:// (half a gigabyte).

    Exit status 1 with one line where Ivy does not find it.
    """
    packages = [DELTA, *([s3_package()] if "--s3" in arguments else [])]
    return max(fetch(package) for package in packages)


def s3_package() -> str:
    """The package for s3a:// of the Hadoop that PySpark ships."""
    client = next(JARS.glob("hadoop-client-api-*.jar"))
    return f"org.apache.hadoop:hadoop-aws:{client.stem.rsplit('-', 1)[-1]}"


def fetch(package: str) -> int:
    """Resolve the package and copy what Spark does not ship itself; a second time does nothing. Returns 0, or 1."""
    stamp = Path(sys.prefix) / f"{package.split(':')[1]}.jars"
    of, *names = stamp.read_text(encoding="utf-8").splitlines() if stamp.exists() else [""]
    if of == package and all((JARS / name).exists() for name in names):
        return 0
    print(f"setup: {package}, beside Spark's own jars")
    for attempt in range(1, ATTEMPTS + 1):
        with tempfile.TemporaryDirectory(prefix="dietz-ivy-") as ivy:
            output = resolve(package, Path(ivy))
            found = [jar for jar in Path(ivy, "jars").glob("*.jar") if jar.name.startswith(WANTED)]
            if any(package.split(":")[1] in jar.name for jar in found):
                for name in names:  # of another version
                    (JARS / name).unlink(missing_ok=True)
                for jar in found:
                    shutil.copyfile(jar, JARS / jar.name)
                stamp.write_text("\n".join([package, *(jar.name for jar in found)]) + "\n", encoding="utf-8")
                return 0
        if attempt < ATTEMPTS:
            print("setup: that failed, once more")
    print(f"dietz: {package} could not be fetched: {reason(output)}", file=sys.stderr)
    return 1


def resolve(package: str, ivy: Path) -> str:
    """Let spark-submit resolve the package into `ivy`, running nothing; returns what it printed."""
    nothing = ivy / "nothing.py"
    nothing.write_text("", encoding="utf-8")
    submit = [str(SPARK_HOME / "bin" / "spark-submit"), "--master", "local[1]", "--conf", f"spark.jars.ivy={ivy}"]
    done = subprocess.run(
        [*submit, "--packages", package, str(nothing)],
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
    sys.exit(main(sys.argv[1:]))

"""Lines of a file that several tasks read: each has its number in the file, none is lost or read twice."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import SparkSession

from jobs.ingest.bronze import decoded, numbered_lines


def test_a_file_read_in_blocks_has_its_lines_in_order(spark: SparkSession, tmp_path: Path) -> None:
    """Lines of all lengths, longer ones than a block among them, so that blocks end within and between lines."""
    texts = {
        "f1": ["x" * (n * 7 % 90) + f"|{n}" for n in range(200)],
        "f2": ["one"],
        "f3": [f"{n}" * 150 for n in range(10)],
    }
    for (name, lines), end in zip(texts.items(), ("\n", "", "\r\n"), strict=True):
        (tmp_path / name).write_bytes((end or "\n").join(lines).encode() + end.encode())
    before = {name: spark.conf.get(f"spark.sql.files.{name}") for name in ("maxPartitionBytes", "openCostInBytes")}
    try:
        spark.conf.set("spark.sql.files.maxPartitionBytes", "64")
        spark.conf.set("spark.sql.files.openCostInBytes", "0")
        read = decoded(numbered_lines(spark, [str(tmp_path / name) for name in texts]), "utf-8")
        assert read.rdd.getNumPartitions() > 20
        rows = read.orderBy("file_name", "line_no").collect()
    finally:
        for name, value in before.items():
            spark.conf.set(f"spark.sql.files.{name}", value)
    found: dict[str, list[tuple[int, str]]] = {name: [] for name in texts}
    for row in rows:
        found[row["file_name"]].append((row["line_no"], row["raw"]))
    assert found == {name: list(enumerate(lines, start=1)) for name, lines in texts.items()}

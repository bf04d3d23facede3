"""What waits in the quarantine, for people: counted by file, rule and column, or row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.platform.lake_files import Read
from jobs.platform.logs import mask
from jobs.platform.mapping import load_mappings, mapping_version

# As in `quarantine.RECORD`, which needs Spark.
RECORD = ["tenant_id", "file_id", "line_no", "record_no", "target"]
# Rules whose value is the line as a whole, which may name an account anywhere.
ABOUT_THE_LINE = {"encoding", "quotes", "record", "unknown_record"}
BATCH_ROWS = 50_000

Known = tuple[set[tuple[str, str]], set[tuple[str, str, str]]]


@dataclass
class Waiting:
    """Rows of one file that wait for the same reason: the rule, its column, and what the first of them says."""

    tenant_id: str
    file_id: str
    feed: str
    rule: str
    column: str
    rows: int
    first_line: int
    value: str
    expected: str
    replay: str
    run_no: int


def waiting_groups(read: Read, tenant: str | None = None, feed: str | None = None) -> list[Waiting]:
    """Open rows of the lake by file, rule and column; the newest run first, then the most rows.

    A row with several reasons counts under each. Values of account columns are masked. `replay` says why a replay may
    take rows of the group through: `mapping mended` or `account known`, else empty.
    """
    known = _known_accounts(read)
    groups: dict[tuple[str, str, str], Waiting] = {}
    for row in _open_rows(read, ["vendor", "feed", "account_id", "failed_rules", "waits_for", "mapping_version"]):
        if (tenant and row["tenant_id"] != tenant) or (feed and row["feed"] != feed):
            continue
        chance = _chance(row, known)
        for failed in json.loads(row["failed_rules"]):
            rule, column = failed["rule"], failed.get("column", "")
            group = groups.get((row["file_id"], rule, column))
            if group is None:
                group = Waiting(row["tenant_id"], row["file_id"], row["feed"], rule, column, 0, 0, "", "", "", 0)
                groups[row["file_id"], rule, column] = group
            group.rows += 1
            group.run_no = max(group.run_no, row["run_no"])
            group.replay = group.replay or chance
            if not group.first_line or row["line_no"] < group.first_line:
                group.first_line, group.expected = row["line_no"], failed["expected"]
                group.value = shown(rule, column, failed.get("value") or "")
    return sorted(groups.values(), key=lambda group: (-group.run_no, -group.rows, group.file_id, group.rule))


def rows_of_file(read: Read, file_id: str, line_no: int | None = None) -> list[dict[str, Any]]:
    """The open rows of a file (of one line) in order: the quarantine's columns, failed_rules as a list, mapping_now
    (empty where the feed has none)."""
    where = pc.field("file_id") == file_id
    if line_no is not None:
        where &= pc.field("line_no") == line_no
    names = ["vendor", "feed", "account_id", "failed_rules", "raw", "waits_for", "mapping_version"]
    rows = [
        row | {"failed_rules": json.loads(row["failed_rules"]), "mapping_now": version_in_force(row["feed"])}
        for row in _open_rows(read, names, where)
    ]
    return sorted(rows, key=lambda row: (row["line_no"], row["record_no"], row["target"]))


def version_in_force(feed: str) -> str:
    """Fingerprint of the feed's mapping; empty where there is none any more."""
    return mapping_version(feed) if feed in load_mappings() else ""


def shown(rule: str, column: str, value: str) -> str:
    """A value that may stand in a list or a log."""
    if rule in ABOUT_THE_LINE:
        return ""
    return mask(value) if "account" in column else value


def _open_rows(read: Read, names: list[str], where: pc.Expression | None = None) -> Iterator[dict[str, Any]]:
    """Of each record the latest row, where it is open."""
    rows = read("quarantine", [*RECORD, *names, "state", "run_no"], where)
    if rows is None or not rows.num_rows:
        return
    newest = rows.select([*RECORD, "run_no"]).group_by(RECORD).aggregate([("run_no", "max")])
    newest = newest.rename_columns([*RECORD, "run_no"])
    # Arrow joins no large values beside the keys of a table: the places of the rows are joined, the rows then taken.
    places = rows.select([*RECORD, "run_no"]).append_column("place", pa.array(range(rows.num_rows)))
    latest = places.join(newest, [*RECORD, "run_no"], join_type="left semi")["place"]
    opened = rows.take(latest).filter(pc.field("state") == "open")
    for batch in opened.to_batches(max_chunksize=BATCH_ROWS):
        yield from batch.to_pylist()


def _known_accounts(read: Read) -> Known:
    accounts = read("account", ["tenant_id", "account_id"], None)
    numbers = read("account_xref", ["tenant_id", "source_vendor", "vendor_account_number"], None)
    return (
        set(zip(*(accounts[name].to_pylist() for name in accounts.column_names), strict=True)) if accounts else set(),
        set(zip(*(numbers[name].to_pylist() for name in numbers.column_names), strict=True)) if numbers else set(),
    )


def _chance(row: dict[str, Any], known: Known) -> str:
    now = version_in_force(row["feed"])
    if now and now != row["mapping_version"]:
        return "mapping mended"
    accounts, numbers = known
    by_id, by_number = (
        (row["tenant_id"], row["account_id"]),
        (row["tenant_id"], row["vendor"], row["account_id"]),
    )
    return "account known" if row["waits_for"] == "account" and (by_id in accounts or by_number in numbers) else ""

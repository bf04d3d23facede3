"""Which files have rows that a mended mapping may take through, and their entry in the ledger for a run that tries."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import functions as F

from jobs.detect import recognise
from jobs.detect.landing import FIRST_LOOK_LINES
from jobs.normalise.quarantine import still_open
from jobs.normalise.replay import waits_for_known_account
from jobs.platform.lake import Lake
from jobs.platform.ledger import FileRecord, Ledger, Run
from jobs.platform.mapping import Mapping, load_mappings, mapping_version
from jobs.platform.mapping_reader import CONVERTED

# Of a file in another state a run has yet to finish with the rows.
READY = ("normalised", "accepted", "withheld", "refused")


@dataclass
class Replay:
    """Files whose waiting rows are to be taken through, what detection says of each by its mapping in force, and the
    files that this mapping does not fit, with the reason."""

    files: list[FileRecord] = field(default_factory=list)
    detection: dict[str, dict[str, Any]] = field(default_factory=dict)
    unfit: list[tuple[FileRecord, str]] = field(default_factory=list)

    def begin(self, run: Run) -> None:
        """Enter the files: from now on the next normalise takes their rows through, whatever happens to this one."""
        changes = {
            file.file_id: {
                "detection": self.detection[file.file_id],
                "mapping_version": mapping_version(str(file.feed)),
            }
            for file in self.files
        }
        run.ledger.begin_replay(run, changes)


def find(
    lake: Lake, ledger: Ledger, *, tenant: str | None = None, feed: str | None = None, file_id: str | None = None
) -> Replay:
    """The files with open rows that other mappings judged than those in force, or whose account is known by now; of
    one file (`file_id`) whatever is open. Narrowed to a tenant and a feed."""
    if not lake.exists("quarantine"):
        return Replay()
    opened = still_open(lake.read("quarantine"))
    for name, wanted in (("tenant_id", tenant), ("feed", feed), ("file_id", file_id)):
        if wanted is not None:
            opened = opened.where(F.col(name) == wanted)
    by_version = opened.select("file_id", "feed", "mapping_version").distinct().collect()
    mappings = load_mappings()
    ids = {
        row["file_id"]
        for row in by_version
        if row["feed"] in mappings and (file_id or row["mapping_version"] != mapping_version(row["feed"]))
    }
    known = waits_for_known_account(opened, lake).select("file_id", "feed").distinct().collect()
    ids |= {row["file_id"] for row in known if row["feed"] in mappings}
    files = [file for file in ledger.files_by_id(sorted(ids)) if file.status in READY]
    found = Replay()
    head = _first_lines(lake, files)
    for file in files:
        detection, reason = _looked_at_again(file, head[file.file_id], mappings[str(file.feed)])
        if reason:
            found.unfit.append((file, reason))
        else:
            found.files.append(file)
            found.detection[file.file_id] = detection
    return found


def _first_lines(lake: Lake, files: list[FileRecord]) -> dict[str, list[str]]:
    """The first lines of each file, as they lie in bronze."""
    lines: dict[str, list[str]] = defaultdict(list)
    if files:
        feeds, ids = sorted({str(file.feed) for file in files}), [file.file_id for file in files]
        rows = lake.read("line").where(F.col("feed").isin(feeds) & F.col("file_id").isin(ids))
        head = rows.where(F.col("line_no") <= FIRST_LOOK_LINES).select("file_id", "line_no", "raw")
        for row in head.orderBy("file_id", "line_no").collect():
            lines[row["file_id"]].append(row["raw"])
    return lines


def _looked_at_again(file: FileRecord, lines: list[str], mapping: Mapping) -> tuple[dict[str, Any], str]:
    """What the mapping finds around the file's records: (detection, "") or ({}, why it does not fit the file)."""
    found = dict(file.detection)
    name = str(found["name"])
    if mapping.format == "workbook" or mapping.format not in CONVERTED | {"parquet"}:
        candidate = recognise.score(name, "\n".join(lines).encode(), mapping, "utf-8")
        if not candidate.score:
            return {}, "; ".join(candidate.reasons)
        found |= {"header_line": candidate.header_line, "header": candidate.header}
    context = {}
    for key, capture in mapping.context.items():
        if capture.source != "section":
            value = recognise.captured(capture, lines, name, file.path)
            if value is None:
                return {}, f"no {key} in the file's path or first lines (expected {capture.match})"
            context[key] = value
    return found | {"context": context}, ""

"""The files that one run took, on their way through normalise, and the books that are kept of them."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from pyspark.sql import DataFrame, SparkSession

from jobs.normalise.accounting import FileAccount
from jobs.normalise.controls import ControlResult
from jobs.platform.account_decisions import Decision
from jobs.platform.lake import Lake
from jobs.platform.ledger import FileRecord, Ledger
from jobs.platform.mapping import Mapping, load_mappings


@dataclass
class Reading:
    """The books of a file that is read again, beside the outcomes that `Batch.replayed` counts: how many rows waited,
    how many of them are no record any more (`gone`), which came instead (`further`), and lines that are none now."""

    waited: int
    gone: int = 0
    further: int = 0
    no_record: int = 0


@dataclass
class Batch:
    """One run's files. Tables are loaded side by side, so what they add to goes through `enter` and `keep`.

    `files` are new; `mended` are files of earlier runs whose waiting rows the run was asked to take through again. Rows
    that waited for their account come along in either case: `waiting` are the quarantine's rows that the batch takes
    through, `replayed_files` the files they stand in.
    """

    spark: SparkSession
    lake: Lake
    ledger: Ledger | None  # None: a trial, which takes nothing through that waited
    run_id: str
    run_no: int
    files: list[FileRecord] = field(default_factory=list)
    mended: list[FileRecord] = field(default_factory=list)
    mappings: dict[str, Mapping] = field(default_factory=load_mappings)
    accounts: dict[str, FileAccount] = field(default_factory=dict)
    controls: list[ControlResult] = field(default_factory=list)
    quarantined: list[DataFrame] = field(default_factory=list)
    unknown: list[DataFrame] = field(default_factory=list)  # rows of unknown_account
    accepted: list[Decision] = field(default_factory=list)  # what each vendor's number was accepted to be
    decided: list[Decision] = field(default_factory=list)  # those of them that this run carries into the lake
    judged: dict[str, DataFrame] = field(default_factory=dict)  # by table, where not every row goes to silver
    loaded: set[str] = field(default_factory=set)
    dates: dict[str, tuple[date, date]] = field(default_factory=dict)  # by file: first and last of its dated rows
    stopped: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  # by file: why columns are
    waiting: DataFrame | None = None
    replayed_files: dict[str, list[FileRecord]] = field(default_factory=lambda: defaultdict(list))
    replayed: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    readings: dict[str, Reading] = field(default_factory=dict)
    _kept: list[DataFrame] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def entered_in(self) -> Ledger:
        """The ledger of a run that is no trial."""
        assert self.ledger is not None
        return self.ledger

    @cached_property
    def withheld_ids(self) -> list[str]:
        """The files whose rows the gate lets nobody use."""
        return [] if self.ledger is None else self.ledger.withheld_files()

    @property
    def tenants(self) -> list[str]:
        """The tenants whose files or accounts the batch is about."""
        return sorted({one.tenant_id for part in (self.files, self.mended, self.decided) for one in part})

    @property
    def by_feed(self) -> dict[str, list[FileRecord]]:
        feeds: dict[str, list[FileRecord]] = defaultdict(list)
        for file in self.files:
            feeds[str(file.feed)].append(file)
        return feeds

    @property
    def replayed_ids(self) -> list[str]:
        return [file.file_id for files in self.replayed_files.values() for file in files]

    def file(self, file_id: str) -> FileRecord:
        """The new or replayed file of that name."""
        if file_id in self.accounts:
            return self.accounts[file_id].file
        return next(file for files in self.replayed_files.values() for file in files if file.file_id == file_id)

    @property
    def refused(self) -> dict[str, ControlResult]:
        """The first broken control of each refused file."""
        return {result.file_id: result for result in reversed(self.controls) if result.refuses}

    def keep(self, frame: DataFrame) -> DataFrame:
        """Hold a frame that is read more than once, until `release`."""
        kept = frame.persist()
        self._kept.append(kept)
        return kept

    def release(self) -> None:
        """Let go of all frames that were kept; the last first, since Spark plans anew what is kept of one let go."""
        for frame in reversed(self._kept):
            frame.unpersist()
        self._kept.clear()

    def stop(self, file_id: str, reasons: Iterable[str]) -> None:
        """Note why columns of a file are stopped."""
        with self._lock:
            self.stopped[file_id] += reasons

    def enter_dates(self, file_id: str, first: date, last: date) -> None:
        """Enter the first and last date of a file's rows of one table."""
        with self._lock:
            known = self.dates.get(file_id, (first, last))
            self.dates[file_id] = min(known[0], first), max(known[1], last)

    def enter(self, counted: Iterable[tuple[str, str, int]]) -> None:
        """Enter (file_id, outcome, records) in the files' books."""
        with self._lock:
            for file_id, outcome, count in counted:
                books = self.accounts.get(file_id)
                (books.outcomes if books else self.replayed[file_id])[outcome] += count

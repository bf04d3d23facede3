"""Nothing is lost: per file, lines and records in equal silver + quarantined + declared skips, or the run stops."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from jobs.platform.errors import AccountingError
from jobs.platform.ledger import FileRecord


@dataclass
class FileAccount:
    """The books of one file: lines by kind, and what became of each record derived from them."""

    file: FileRecord
    kinds: Counter[str] = field(default_factory=Counter)
    expected_records: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    lines_without_record: int = 0

    @property
    def silver(self) -> int:
        return self.outcomes["silver"]

    @property
    def quarantined(self) -> int:
        return self.outcomes["quarantined"]

    @property
    def skipped(self) -> int:
        """Declared skips: lines that are no record (header, blank, ...) and records that say nothing new."""
        return self.lines_without_record + sum(n for name, n in self.outcomes.items() if name.startswith("skipped"))

    @property
    def records(self) -> int:
        return self.expected_records + self.lines_without_record

    def check(self) -> None:
        """Raises AccountingError where a line or a record is unaccounted for."""
        where = f"{self.file.path}{' / ' + self.file.member if self.file.member else ''} ({self.file.file_id})"
        lines = sum(self.kinds.values())
        if lines != self.file.lines:
            raise AccountingError(f"{where}: the file has {self.file.lines} lines, bronze has {lines}")
        if self.records != self.silver + self.quarantined + self.skipped:
            raise AccountingError(
                f"{where}: {self.records} records in, but {self.silver} silver + {self.quarantined} quarantined"
                f" + {self.skipped} skipped"
            )

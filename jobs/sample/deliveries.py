"""Where the files of a sample go and with which night each of them comes."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pcsv


@dataclass(frozen=True)
class Delivery:
    """A file, relative to the sample's folder; `night` is the business date with which it is delivered."""

    path: str
    tenant: str
    night: date
    rows: int


@dataclass
class Deliveries:
    """The folder of one tenant: appends rows to its files and remembers what belongs to which night."""

    root: Path
    tenant: str
    days: list[date]
    nightly_from: int | None
    _files: dict[str, Delivery] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.root / self.tenant).mkdir(parents=True, exist_ok=True)

    @property
    def last_of_history(self) -> int:
        """Index of the last day that comes with the history; -1 where every day comes on its own."""
        return len(self.days) - 1 if self.nightly_from is None else self.nightly_from - 1

    def night_of(self, day: int) -> int:
        """The day with which something dated on `day` is delivered."""
        return max(day, self.last_of_history, 0)

    def period(self, day: int) -> str:
        """The part of a file's name that dates it: the history's range, or the one day."""
        if day > self.last_of_history:
            return f"{self.days[day]:%Y%m%d}"
        return f"{self.days[0]:%Y%m%d}_{self.days[self.last_of_history]:%Y%m%d}"

    def append(self, feed: str, day: int, table: pa.Table, *, is_quoted: bool = False) -> None:
        """Add rows to the canonical file of a feed that is delivered with `day`."""
        if len(table) == 0:
            return
        name = f"canonical_{feed}_{self.period(day)}.csv"
        style = "needed" if is_quoted else "none"
        options = pcsv.WriteOptions(include_header=name not in self._files, quoting_style=style, quoting_header=style)
        with (self.root / self.tenant / name).open("ab") as file:
            pcsv.write_csv(table, file, options)
        self._note(name, day, len(table))

    def write(self, name: str, day: int, content: str | bytes, rows: int) -> None:
        """Write a whole file; `name` may hold a folder."""
        path = self.root / self.tenant / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self._note(name, day, rows)

    def _note(self, name: str, day: int, rows: int) -> None:
        earlier = self._files[name].rows if name in self._files else 0
        night = self.days[self.night_of(day)]
        self._files[name] = Delivery(f"{self.tenant}/{name}", self.tenant, night, earlier + rows)

    def finish(self) -> list[Delivery]:
        """Stamp each file with the morning of its delivery, so that their order of arrival is the nights' order."""
        files = sorted(self._files.values(), key=lambda file: (file.night, file.path))
        for file in files:
            arrival = datetime.combine(file.night + timedelta(days=1), time(2), UTC).timestamp()
            os.utime(self.root / file.path, (arrival, arrival))
        return files

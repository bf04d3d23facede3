"""A look-out over landing for Airflow's triggerer: says when new files are complete. It only looks.

Airflow's own file triggers that can start a DAG delete the file they find; a vendor's file is never touched here.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from jobs.detect import landing

# What a file is known by without opening it: path below landing -> size, time of change.
Look = dict[str, tuple[int, str]]
ANNOUNCED = "announced"


class LandingWatcher(BaseEventTrigger):
    """Fires once whenever files are new or changed and landing has been quiet for a while.

    `folder` is landing; `settle_seconds` is how long nothing may change before the files count as delivered (a batch of
    files is one event). Which files were announced outlives a restart of the triggerer, in the asset's own store.
    """

    def __init__(self, folder: str, settle_seconds: float = 60.0) -> None:
        super().__init__()
        self.folder = folder
        self.settle_seconds = settle_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, from which the triggerer makes the watcher."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {"folder": self.folder, "settle_seconds": self.settle_seconds},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look, wait, look again; an event's payload says how many files are complete."""
        announced = await self._announced()
        before: Look | None = None
        while True:
            seen = await asyncio.to_thread(complete_files, Path(self.folder))
            if seen == before and seen and fingerprint(seen) != announced:
                announced = fingerprint(seen)
                await self._announce(announced)
                yield TriggerEvent({"landing": self.folder, "complete_files": len(seen)})
            before = seen
            await asyncio.sleep(self.settle_seconds)

    async def _announced(self) -> str | None:
        store = self.asset_state_store
        return None if store is None else str(await store.aget(ANNOUNCED))

    async def _announce(self, what: str) -> None:
        if self.asset_state_store is not None:
            await self.asset_state_store.aset(ANNOUNCED, what)


def complete_files(folder: Path) -> Look:
    """The files in landing that nothing speaks against by name and size; no markers, no hidden ones."""
    if not folder.is_dir():
        return {}
    return {
        one.relative: (one.size_bytes, one.modified_at.isoformat())
        for tenant in landing.tenants(folder)
        for one in landing.deliveries(folder, tenant)
        if landing.why_incomplete(one) is None
    }


def fingerprint(look: Look) -> str:
    """One short word for what lies in landing: it changes when a file comes or changes."""
    return hashlib.sha256(repr(sorted(look.items())).encode()).hexdigest()[:16]

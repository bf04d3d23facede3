"""A lake to try things in: reads what the real one holds, and writes beside it."""

from __future__ import annotations

from pyspark.sql import DataFrame

from jobs.platform.lake import Lake

# What earlier runs left waiting, and their lines, are no part of a trial.
OWN_ALONE = frozenset({"line", "quarantine", "unknown_account"})


class TrialLake(Lake):
    """Tables of `base` with the trial's own rows after them; what is written goes to `root` alone."""

    def __init__(self, base: Lake, root: str) -> None:
        super().__init__(base.spark, root)
        self.base = base

    def exists(self, name: str) -> bool:
        """Whether the trial or, where that counts, the real lake has the table."""
        return self._is_there(name) or (name not in OWN_ALONE and self.base.exists(name))

    def read(self, name: str) -> DataFrame:
        """Rows of both; only the trial's own of lines and quarantine."""
        own = super().read(name)
        if name in OWN_ALONE or not self.base.exists(name):
            return own
        return self.base.read(name).unionByName(own) if self._is_there(name) else self.base.read(name)

    def own(self, name: str) -> DataFrame:
        """What the trial itself has written."""
        return super().read(name)

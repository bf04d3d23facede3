"""Windows that share one partition and one order, so that Spark sorts once for all of them."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql.window import Window, WindowSpec


@dataclass(frozen=True)
class Sorted:
    """Rows of each key in an order; its texts stand after a SQL window function."""

    keys: tuple[str, ...]
    order: tuple[str, ...]

    @property
    def by(self) -> str:
        return f"PARTITION BY {', '.join(self.keys)} ORDER BY {', '.join(self.order)}"

    @property
    def so_far(self) -> str:
        return f"OVER ({self.by} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"

    @property
    def before(self) -> str:
        return f"OVER ({self.by} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)"

    @property
    def whole(self) -> str:
        return f"OVER ({self.by} ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"

    def window(self, last_row: int = Window.currentRow) -> WindowSpec:
        """so_far as a window specification, for the one function that SQL lacks; with -1 before."""
        return Window.partitionBy(*self.keys).orderBy(*self.order).rowsBetween(Window.unboundedPreceding, last_row)

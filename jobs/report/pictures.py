"""The report's pictures: matplotlib drawings as inline SVG whose colours are the page's, light or dark."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from jobs.report.read import Row
from jobs.report.series import BINS, Line, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Stand-ins that matplotlib draws with; in the page they become var(--ink), var(--series-1) and so on.
INK, SOFT, GRID, GOOD, BAD = "#a10010", "#a10011", "#a10012", "#a10013", "#a10014"
SERIES = [f"#a1000{n}" for n in range(1, 7)]
VARIABLES = {INK: "ink", SOFT: "soft", GRID: "grid", GOOD: "good", BAD: "bad"} | {
    colour: f"series-{n}" for n, colour in enumerate(SERIES, 1)
}
WIDTH, HEIGHT = 6.2, 2.9
BREAK_WORDS: dict[str, str] = {
    "begin_value": "begin value", "net_flow": "net flow", "end_value": "end value", "twrr_daily": "daily return",
    "twrr_mtd": "month-to-date return", "roll_forward": "roll-forward", "holdings_value": "value of holdings",
    "position_quantity": "position, quantity", "position_value": "position, value", "cash_balance": "cash balance",
    "cash_roll": "cash roll-forward", "source_value": "value, two vendors", "account_new": "new account",
    "account_missing": "missing account", "account_closed_with_balance": "closed with a balance",
    "account_reopened": "reopened account", "account_renumbered": "renumbered account",
    "account_changed": "changed account",
}  # fmt: skip


def returns_picture(series: Series, tenant: str) -> str:
    """How many accounts had which return tonight; half a percent at each end is gathered in the outer bars."""
    rows = series.returns[tenant]
    low, width = rows[0]["low"], (rows[0]["high"] - rows[0]["low"]) / BINS

    def draw(axes: Axes) -> None:
        left = [100 * (low + (row["bin"] - 1) * width) for row in rows]
        colours = [SERIES[0] if edge + 50 * width >= 0 else SERIES[1] for edge in left]
        axes.bar(left, [row["accounts"] for row in rows], width=92 * width, align="edge", color=colours, linewidth=0)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_xlabel("daily return, %")
        axes.set_ylabel("accounts")
        _whole_numbers(axes.yaxis)
        # The same range for every tenant, so that the pictures can be compared.
        axes.set_xlim(100 * low, 100 * rows[0]["high"])

    return _svg(f"returns-{tenant}", draw, f"Distribution of tonight's returns, {tenant}")


def book_picture(series: Series) -> str:
    """Book value of each tenant in its largest currency, each as a line of its own panel."""
    tenants = list(series.book)

    def draw_panel(axes: Axes, tenant: str, colour: str) -> None:
        currency, line = series.book[tenant]
        scale, unit = _scale(max(abs(value) for _, value in line))
        days: Any = [on for on, _ in line]
        values = [value / scale for _, value in line]
        axes.plot(days, values, color=colour, linewidth=1.6)
        axes.fill_between(days, values, min(values), color=colour, alpha=0.12, linewidth=0)
        axes.set_title(f"{tenant}, {unit}{currency}", loc="left", fontsize=9, color=INK)
        axes.annotate(f"{values[-1]:,.1f}", (days[-1], values[-1]), xytext=(4, 0), textcoords="offset points",
                      fontsize=9, color=INK, va="center", annotation_clip=False, in_layout=False)  # fmt: skip
        _date_axis(axes)

    def draw(panels: list[Axes]) -> None:
        for axes, tenant, colour in zip(panels, tenants, SERIES, strict=False):
            draw_panel(axes, tenant, colour)

    return _svg_panels("book", len(tenants), draw, "Book value over time per tenant", right=0.93)


def growth_picture(series: Series) -> str:
    """Growth of 100 in each tenant and in the largest accounts."""

    def draw(axes: Axes) -> None:
        ends: list[tuple[float, str, str, bool]] = []
        for account, line in series.account_growth.items():
            _growth_line(axes, line, SOFT, 0.9)
            ends.append((line[-1][1], account, SOFT, False))
        for colour, (tenant, line) in zip(SERIES, series.tenant_growth.items(), strict=False):
            _growth_line(axes, line, colour, 2.0)
            ends.append((line[-1][1], tenant, colour, True))
        axes.axhline(100, color=GRID, linewidth=0.8, zorder=0)
        _label_ends(axes, ends)
        _date_axis(axes)
        axes.set_ylabel("growth of 100")

    return _svg("growth", draw, "Cumulative growth of tenants and of the largest accounts", right=0.72)


def steps_picture(steps: list[Row]) -> str:
    """Seconds of each step, with a mark at the usual time of earlier nights."""

    def draw(axes: Axes) -> None:
        names = [row["step"] for row in steps]
        seconds = [row["seconds"] or 0.0 for row in steps]
        colours = [BAD if row["status"] == "failed" else SERIES[0] for row in steps]
        axes.barh(names, seconds, color=colours, height=0.62)
        widest = max([*seconds, *[row["usual"] or 0.0 for row in steps], 0.1])
        for place, row in enumerate(steps):
            if row["usual"] is not None:
                axes.plot([row["usual"]] * 2, [place - 0.4, place + 0.4], color=INK, linewidth=1.6)
            axes.text(max(seconds[place], row["usual"] or 0.0) + widest * 0.015, place, f"{seconds[place]:.1f}",
                      va="center", fontsize=9, color=INK)  # fmt: skip
        axes.set_xlim(0, widest * 1.12)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("seconds")

    return _svg("steps", draw, "Seconds per step")


def breaks_picture(by_type: list[Row]) -> str:
    """Open breaks by type, tonight's beside the older ones."""

    def draw(axes: Axes) -> None:
        names = [str(BREAK_WORDS.get(row["type"], row["type"])) for row in by_type]
        tonight, older = [row["tonight"] for row in by_type], [row["older"] for row in by_type]
        axes.barh(names, tonight, color=SERIES[1], height=0.62, label="new tonight")
        axes.barh(names, older, left=tonight, color=SERIES[0], height=0.62, label="older")
        most = max(a + b for a, b in zip(tonight, older, strict=True))
        for place, (new, old) in enumerate(zip(tonight, older, strict=True)):
            axes.text(new + old + most * 0.015, place, f"{new + old:,}", va="center", fontsize=9, color=INK)
        axes.set_xlim(0, most * 1.12)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel("open breaks")
        _whole_numbers(axes.xaxis)
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="lower right")

    return _svg("breaks", draw, "Open breaks by type")


def _growth_line(axes: Axes, line: Line, colour: str, width: float) -> None:
    days: Any = [on for on, _ in line]
    axes.plot(days, [100 * growth for _, growth in line], color=colour, linewidth=width)


def _label_ends(axes: Axes, ends: list[tuple[float, str, str, bool]]) -> None:
    """Names at the right end of their lines, moved apart where they would overlap."""
    low, high = axes.get_ylim()
    step, place = (high - low) / 13, low - (high - low)
    for growth, name, colour, is_tenant in sorted(ends):
        place = max(100 * growth, place + step)
        axes.annotate(f"{name}  {100 * growth:.1f}", (1.02, place), xycoords=("axes fraction", "data"), fontsize=8,
                      color=colour, va="center", weight="bold" if is_tenant else "normal",
                      annotation_clip=False, in_layout=False)  # fmt: skip


def _date_axis(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))


def _whole_numbers(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _scale(largest: float) -> tuple[float, str]:
    for scale, unit in ((1e9, "bn "), (1e6, "m "), (1e3, "k ")):
        if largest >= scale:
            return scale, unit
    return 1.0, ""


def _svg(name: str, draw: Callable[[Axes], None], says: str, right: float = 1.0) -> str:
    return _svg_panels(name, 1, lambda panels: draw(panels[0]), says, right)


def _svg_panels(name: str, count: int, draw: Callable[[list[Axes]], None], says: str, right: float = 1.0) -> str:
    """Draw panels one below the other and return them as an SVG element with `says` as its text alternative."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    style: Any = {
        "svg.fonttype": "none", "svg.hashsalt": name, "font.size": 9, "axes.edgecolor": GRID, "axes.labelcolor": SOFT,
        "xtick.color": SOFT, "ytick.color": SOFT, "xtick.major.size": 0, "ytick.major.size": 0, "axes.grid": True,
        "grid.color": GRID, "grid.linewidth": 0.6, "axes.axisbelow": True, "axes.spines.top": False,
        "axes.spines.right": False, "axes.spines.left": False, "text.color": INK,
    }  # fmt: skip
    with mpl.rc_context(style):
        layout = ConstrainedLayoutEngine(rect=(0, 0, right, 1))
        figure = Figure(figsize=(WIDTH, HEIGHT if count == 1 else 1.75 * count), layout=layout)
        FigureCanvasSVG(figure)
        panels = [figure.add_subplot(count, 1, place + 1) for place in range(count)]
        draw(panels)
        drawing = io.StringIO()
        figure.savefig(drawing, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _for_the_page(drawing.getvalue(), name, says)


def _for_the_page(text: str, name: str, says: str) -> str:
    """The svg element alone, as wide as its place, in the page's colours and typeface; ids are the picture's own."""
    svg = text[text.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    svg = re.sub(r"font-family: [^;\"]+|(?<=px )'DejaVu Sans'[^;\"]*", "font-family: inherit", svg)
    key = re.sub(r"\W", "-", name)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{key}-", svg)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(says)}"', 1).strip()

"""Invented exchange rates in the two layouts of the European Central Bank: the history and the day."""

from __future__ import annotations

from datetime import date

from jobs.sample.deliveries import Deliveries
from jobs.sample.market import Floats

Rates = dict[str, Floats | None]


def write_rates(to: Deliveries, rates: Rates) -> None:
    """One history file up to the last day of the history, then a file per day."""
    through = to.last_of_history
    if through >= 0:
        text = history(to.days[: through + 1], rates)
        to.write(f"ecb/eurofxref-hist_{to.days[through]:%Y%m%d}.csv", through, text, through + 1)
    for day in range(through + 1, len(to.days)):
        to.write(f"ecb/eurofxref_{to.days[day]:%Y%m%d}.csv", day, daily(to.days[day], day, rates), 1)


def history(days: list[date], rates: Rates) -> str:
    """Newest first, N/A where a currency has ended, a trailing comma on each line."""
    lines = ["Date," + "".join(f"{currency}," for currency in rates)]
    for index in reversed(range(len(days))):
        cells = ("N/A" if series is None else f"{series[index]:.10g}" for series in rates.values())
        lines.append(f"{days[index]:%Y-%m-%d}," + "".join(f"{cell}," for cell in cells))
    return "\n".join(lines) + "\n"


def daily(day: date, index: int, rates: Rates) -> str:
    """One row: the date in words, living currencies only, a blank after each comma and a comma at the end."""
    living = {currency: series for currency, series in rates.items() if series is not None}
    titles = "".join(f"{currency}, " for currency in living)
    cells = "".join(f"{series[index]:.10g}, " for series in living.values())
    return f"Date, {titles}\n{day.day:02d} {MONTHS[day.month - 1]} {day.year}, {cells}\n"


# Not strftime's names: those follow the locale of the machine.
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip

"""Relations between columns that tell what they are: products, sums, and totals that the file states of itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

from jobs.vendor.profile import Profile
from jobs.vendor.readings import numbers

ENOUGH = 3  # rows that say something
MOST = Decimal("0.95")
ROWS = 300
FEW_COLUMNS = 16

Row = tuple[Decimal, ...]


@dataclass(frozen=True)
class Product:
    """quantity x price = amount in `share` of the rows, `scale` times (100: the price is in hundredths or percent)."""

    share: Decimal
    scale: int
    rows: int

    @property
    def holds(self) -> bool:
        return self.rows >= ENOUGH and self.share >= MOST


def product(quantity: Profile, price: Profile, amount: Profile, costs: Decimal = Decimal("0.01")) -> Product:
    """How well |quantity x price| is |amount|, within the rounding of each; costs are a share of the amount."""
    rows = _filled(quantity, price, amount)
    best = Product(Decimal(0), 1, len(rows))
    for scale in (1, 100):
        hits = sum(_is_product(row, scale, costs) for row in rows)
        share = Decimal(hits) / len(rows) if rows else Decimal(0)
        if share > best.share:
            best = Product(share, scale, len(rows))
    return best


def is_before_costs(quantity: Decimal | None, price: Decimal | None, amount: Decimal | None, costs: Decimal) -> bool:
    """Whether |amount| is nearer to |quantity x price| than to that more or less the costs."""
    if quantity is None or price is None or amount is None:
        return False
    gross = abs(quantity * price)
    return abs(gross - abs(amount)) < min(abs(gross + sign * costs - abs(amount)) for sign in (-1, 1))


def _is_product(row: Row, scale: int, costs: Decimal) -> bool:
    quantity, price, amount = row
    exact = abs(quantity * price) / scale
    rounding = abs(quantity) * _half(price) / scale + abs(price) * _half(quantity) / scale + _half(amount)
    return abs(exact - abs(amount)) <= rounding + abs(amount) * costs + Decimal("0.01")


def _half(number: Decimal) -> Decimal:
    exponent = number.as_tuple().exponent
    return Decimal(5).scaleb(min(int(exponent), 0) - 1) if isinstance(exponent, int) else Decimal(0)


def products(profiles: list[Profile]) -> list[tuple[Profile, Profile, Profile]]:
    """(factor, factor, product) among number columns, exact to rounding; for files whose titles say nothing."""
    columns = [one for one in profiles if one.is_number and len(set(one.values)) > 1][:FEW_COLUMNS]
    found = []
    for result in columns:
        for a, b in combinations([one for one in columns if one is not result], 2):
            relation = product(a, b, result, Decimal(0))
            if relation.holds and relation.scale == 1 and not _is_trivial(a, b):
                found.append((a, b, result))
    return found


def _is_trivial(a: Profile, b: Profile) -> bool:
    return any(set(one.numbers) - {None} <= {Decimal(0), Decimal(1), Decimal(-1)} for one in (a, b))


def bridge(begin: Profile, others: list[Profile], end: Profile) -> bool:
    """Whether begin plus the others is end, in nearly all rows, to a cent a part, where something moved."""
    rows = _filled(begin, *others, end, zeros=True)
    moved = [row for row in rows if row[0] != row[-1]]
    slack = Decimal("0.011") * (len(others) + 1)
    hits = sum(abs(sum(row[:-1]) - row[-1]) <= slack for row in moved)
    return len(moved) >= ENOUGH and hits >= MOST * len(moved)


def follows(begin: Profile, end: Profile, groups: list[str], days: list[object]) -> bool:
    """Whether each row's begin is the end of the row before it of the same group (account), by date."""
    last: dict[str, Decimal] = {}
    hits = seen = 0
    order = sorted(range(len(groups)), key=lambda n: str(days[n]))
    for n in order:
        before, now = begin.numbers[n], end.numbers[n]
        if before is not None and groups[n] in last and last[groups[n]] != 0:
            seen += 1
            hits += abs(before - last[groups[n]]) <= Decimal("0.01")
        if now is not None:
            last[groups[n]] = now
    return seen >= ENOUGH and hits >= MOST * seen


def return_scale(rate: Profile, begin: Profile, flow: Profile | None, end: Profile) -> int | None:
    """1 where the rate is a fraction of the gain over begin, 100 where it is in percent; None where neither is seen."""
    columns = [rate, begin, end, *([flow] if flow else [])]
    rows = [
        row for row in _filled(*columns, zeros=True) if row[1] > 0 and row[0] != 0 and (len(row) < 4 or row[3] == 0)
    ]
    for scale in (1, 100):
        hits = sum(
            abs(row[0] / scale - (row[2] / row[1] - 1)) <= Decimal("0.00002") + abs(row[0]) / scale / 50 for row in rows
        )
        if len(rows) >= ENOUGH and hits >= MOST * len(rows):
            return scale
    return None


def _filled(*profiles: Profile, zeros: bool = False) -> list[Row]:
    """Rows in which every column has a number (and, unless `zeros`, none is 0)."""
    rows = zip(*(one.numbers for one in profiles), strict=True)
    found = (tuple(cell for cell in row if cell is not None and (zeros or cell)) for row in rows)
    return [row for row in found if len(row) == len(profiles)][:ROWS]


def sum_of(profile: Profile) -> Decimal:
    """The sum of a column's numbers."""
    return sum((one for one in profile.numbers if one is not None), Decimal(0))


def states_sum(text: str, profile: Profile) -> bool:
    """Whether a text is, in the column's own style, the sum of its (two or more, not all 0) numbers."""
    if len(profile.values) < 2 or not profile.styles or not sum_of(profile):
        return False
    style = next(iter(profile.styles))
    return numbers(text).get(style, next(iter(numbers(text).values()), None)) == sum_of(profile)


def states_hash(text: str, profile: Profile) -> bool:
    """Whether a text is the sum of the digits of each value read as a number (a hash total)."""
    digits = ["".join(sign for sign in value if sign.isdigit()) for value in profile.values]
    if not text.isdigit() or not all(digits) or len(digits) < 2:
        return False
    return int(text) == _total(int(one) for one in digits) and int(text) > 0


def _total(values: Iterable[int]) -> int:
    return sum(values)

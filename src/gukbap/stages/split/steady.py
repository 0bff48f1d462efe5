"""An exact draw that further rows change little: from one line of families, the last one cut to measure.

Sums of whole families that are to come out exactly change as a whole when one family grows. Here each family
is taken or passed over where it stands in the line, and only the end of the draw depends on sizes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from gukbap.stages.split.families import Family

# How far an operation may come above its share: a quarter, and one row. Less would pass over many families
# for an operation that chance alone brought there.
_ABOVE, _ROWS_ABOVE = 1.25, 1.0


def steady_draw(families: Sequence[Family], total: int) -> list[Family]:
    """Families for validation that together have `total` rows or, by the last one's rows, more.

    Of each category so many rows are drawn as are next to its share; no operation gets more than a quarter
    above its own while others are there. A category is not emptied.

    Args:
        families: in the order of their ranks.
        total: less than the rows of all families that can be drawn.

    Returns:
        The families; the last one may have rows too many, which are to be cut.
    """
    shares = _Shares(families, total)
    drawn = [family for family in families if shares.take(family)]
    while sum(family.size for family in drawn[:-1]) >= total:
        shares.put_back(drawn.pop())
    while shares.taken < total and (further := shares.neediest(families, drawn)):
        drawn.append(further)
    return drawn


class _Shares:
    """What categories and operations have of the draw, and what they should have."""

    def __init__(self, families: Iterable[Family], total: int) -> None:
        self._families: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        operations: Counter[str] = Counter()
        for family in families:
            self._families[family.category] += 1
            sizes[family.category] += family.size
            operations.update(family.operations)
        every = max(1, sizes.total())
        self._share = {name: total * size / every for name, size in sizes.items()}
        self._most = {
            name: _ABOVE * total * count / every + _ROWS_ABOVE for name, count in operations.items()
        }
        self._rows: Counter[str] = Counter()
        self._operations: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        return self._rows.total()

    def take(self, family: Family) -> bool:
        """Take a family that brings its category nearer to the share, and no operation above its bound."""
        after = self._operations + Counter(family.operations)
        fits = (
            self._rows[family.category] + family.size / 2 <= self._share[family.category]
            and self._families[family.category] > 1
            and all(count <= self._most[name] for name, count in after.items())
        )
        if fits:
            self._add(family, 1)
        return fits

    def put_back(self, family: Family) -> None:
        """Undo the taking of a family."""
        self._add(family, -1)

    def neediest(self, families: Iterable[Family], drawn: Sequence[Family]) -> Family | None:
        """Take the first family of the category that lacks most of its share; one family is always left.

        A category's last family is taken where there is nothing else.
        """
        held = {family.rank for family in drawn}
        left = [family for family in families if family.rank not in held]
        if len(left) < 2:
            return None

        def need(family: Family) -> tuple[bool, float]:
            name = family.category
            return self._families[name] > 1, self._share[name] - self._rows[name]

        found = max(left, key=need)
        self._add(found, 1)
        return found

    def _add(self, family: Family, sign: int) -> None:
        self._families[family.category] -= sign
        self._rows[family.category] += sign * family.size
        for name, count in family.operations.items():
            self._operations[name] += sign * count

"""Sequences that are larger than memory should be: their items lie in a file."""

from __future__ import annotations

import os
import pickle
import tempfile
from abc import abstractmethod
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Generic, TypeVar, overload

from gukbap.files import reporting_full_disk

#: items at the beginning that stay in memory: most data sets are no larger, and reading an item back takes
#: longer than most of what is done with it
HELD_ITEMS = 4096

Item = TypeVar("Item")


class _Items(Sequence[Item], Generic[Item]):
    """What equals every sequence of equal items."""

    __hash__ = None  # type: ignore[assignment] # as a list has none

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        if isinstance(index, slice):
            return Chosen(self, range(*index.indices(len(self))))
        return self._at(index)

    @abstractmethod
    def _at(self, index: int) -> Item:
        """The item at an index, which may count from the end."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))


class Spool(_Items[Item]):
    """A sequence that only grows, in a file that goes with it.

    Memory holds the first HELD_ITEMS, and 8 bytes for each of the others. It is for one thread of one
    process, and for items that pickle takes and nobody changes.

    Args:
        items: what it begins with.
        folder: where its file lies, made where it is missing; the system's temporary folder where None.
    """

    def __init__(self, items: Iterable[Item] = (), *, folder: Path | None = None) -> None:
        self._folder = folder
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        # Without a name, or unlinked at once: a kill leaves nothing.
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 # lives as long as this
        self._held: list[Item] = []
        # Of the items that are not held:
        self._ends = array("Q", [0])
        self._flushed = True
        for item in items:
            self.append(item)

    def append(self, item: Item) -> None:
        """Add an item at the end."""
        if len(self._held) < HELD_ITEMS:
            self._held.append(item)
            return
        content = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
        with reporting_full_disk(self._folder or Path(tempfile.gettempdir())):
            self._file.write(content)
        self._ends.append(self._ends[-1] + len(content))
        self._flushed = False

    def __len__(self) -> int:
        return len(self._held) + len(self._ends) - 1

    def _at(self, index: int) -> Item:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        place = index % len(self)
        if place < len(self._held):
            return self._held[place]
        place -= len(self._held)
        start, end = self._ends[place], self._ends[place + 1]
        item: Item = pickle.loads(os.pread(self._readable(), end - start, start))  # noqa: S301 # our own file
        return item

    def _readable(self) -> int:
        if not self._flushed:
            with reporting_full_disk(self._folder or Path(tempfile.gettempdir())):
                self._file.flush()
            self._flushed = True
        return self._file.fileno()

    def __iter__(self) -> Iterator[Item]:
        return (self[index] for index in range(len(self)))


class Joined(_Items[Item]):
    """Sequences one after the other; no item is copied."""

    def __init__(self, parts: Iterable[Sequence[Item]]) -> None:
        self._parts = tuple(parts)
        self._ends = [0, *accumulate(map(len, self._parts))]

    def __len__(self) -> int:
        return self._ends[-1]

    def _at(self, index: int) -> Item:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        place = index % len(self)
        part = bisect_right(self._ends, place) - 1
        return self._parts[part][place - self._ends[part]]


class Chosen(_Items[Item]):
    """Some items of a sequence, in an order of their own; no item is copied."""

    def __init__(self, items: Sequence[Item], indices: Sequence[int]) -> None:
        self._items, self._indices = items, indices

    def __len__(self) -> int:
        return len(self._indices)

    def _at(self, index: int) -> Item:
        return self._items[self._indices[index]]

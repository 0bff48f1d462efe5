"""Columns of many rows in files: texts that are read one at a time, arrays that are mapped."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt


def write_texts(folder: Path, name: str, texts: Sequence[str]) -> None:
    """Write a column of texts; lone surrogates stay as they are."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    (folder / f"{name}.txt").write_bytes(b"".join(encoded))
    ends = np.fromiter(accumulate(map(len, encoded)), np.int64, len(encoded))
    write_array(folder, f"{name}.ends", ends)


def write_array(folder: Path, name: str, values: npt.NDArray[Any]) -> None:
    """Write an array."""
    np.save(folder / f"{name}.npy", values)


def read_array(folder: Path, name: str) -> npt.NDArray[Any]:
    """Map an array: only what is looked at is read."""
    mapped: npt.NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    return mapped


class StoredTexts(Sequence[str]):
    """A column of texts in a folder, read one at a time; no file stays open, as there may be many."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f"{name}.txt"
        self._ends = read_array(folder, f"{name}.ends")

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        start = int(self._ends[index - 1]) if index else 0
        file = os.open(self._path, os.O_RDONLY)
        try:
            content = os.pread(file, int(self._ends[index]) - start, start)
        finally:
            os.close(file)
        return content.decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        """All texts, read one after the other."""
        start = 0
        with self._path.open("rb") as file:
            for end in np.asarray(self._ends).tolist():
                yield file.read(end - start).decode("utf-8", "surrogatepass")
                start = end

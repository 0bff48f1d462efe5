"""The kinds of arrays that near-dedup works on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Words32 = npt.NDArray[np.uint32]
Words64 = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]

"""The numbers of one MLflow run, each point once, whoever has logged it.

MLflow keeps every value that it is given for a step. What a run has already is therefore read back, once
for each series, before anything is added to it.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gukbap.adapters.mlflow_values import safe_name
from gukbap.ports import Point

_MAX_METRICS_PER_BATCH = 1000  # mlflow.utils.validation


class LoggedPoints:
    """What a run has, and what is added to it. Several threads may add.

    Errors of MLflow, its HTTP client and its database come through as they are.
    """

    def __init__(self, client: Any, run_id: str) -> None:
        self._client, self._run_id = client, run_id
        self._known: dict[str, dict[int, set[float]]] = {}
        self._series: frozenset[str] | None = None
        self._lock = threading.Lock()

    def values(self, values: Mapping[str, float], step: int) -> None:
        """Add numbers, but for those that stand at this step already."""
        with self._lock:
            given = {metric.key: metric for metric in _metrics(Point(step, values))}
            self._log([one for one in given.values() if one.value not in self._of(one.key).get(step, ())])

    def series(self, points: Sequence[Point]) -> None:
        """Add points, but for those of a step that their series has already."""
        with self._lock:
            new: dict[tuple[str, int], Any] = {}
            for point in points:
                for metric in _metrics(point):
                    if metric.step not in self._of(metric.key):
                        new.setdefault((metric.key, metric.step), metric)
            self._log(list(new.values()))

    def _log(self, metrics: Sequence[Any]) -> None:
        for start in range(0, len(metrics), _MAX_METRICS_PER_BATCH):
            batch = metrics[start : start + _MAX_METRICS_PER_BATCH]
            self._client.log_batch(self._run_id, metrics=batch)
            for metric in batch:
                self._of(metric.key).setdefault(metric.step, set()).add(metric.value)

    def _of(self, key: str) -> dict[int, set[float]]:
        """Step → values of a series; only one that the run has is fetched."""
        if self._series is None:
            self._series = frozenset(self._client.get_run(self._run_id).data.metrics)
        if key not in self._known:
            history = self._client.get_metric_history(self._run_id, key) if key in self._series else []
            found: dict[int, set[float]] = {}
            for one in history:
                found.setdefault(one.step, set()).add(one.value)
            self._known[key] = found
        return self._known[key]


def _metrics(point: Point) -> Iterator[Any]:
    """MLflow's metrics for a point; what is not finite is left out."""
    from mlflow.entities import Metric

    moment = round((time.time() if point.time is None else point.time) * 1000)
    for key, value in point.values.items():
        if math.isfinite(value):
            yield Metric(safe_name(key), float(value), moment, point.step)

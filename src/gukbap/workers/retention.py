"""Retention on real places: what lies in folders and buckets and stands in MLflow is ruled on, and deleted.

Nothing is deleted on what was read a while ago: each part is read and checked again just before it goes. A
journal has every deletion twice, before and after, so that one that was killed is finished by the next call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from gukbap.adapters.folder_store import FolderStore
from gukbap.adapters.mlflow_retention import read_registry, remove_version
from gukbap.adapters.run_parts import delete_part, find_run, find_runs, find_work, held
from gukbap.adapters.stores import Store
from gukbap.config import RetentionConfig, StoreConfig
from gukbap.errors import StoreError
from gukbap.holdings import FoundRegistry, FoundRun, FoundVersion
from gukbap.journal import Journal
from gukbap.ports import Progress
from gukbap.stages.retention import Ruling, model_need, protection, rule, version_need

#: the folder of a run's model, in whichever store
MODEL = "/model"
#: states of a journal's entry
GOING, GONE = "going", "gone"


class Retention:
    """Runs in some places, and the registry that may need them."""

    def __init__(
        self,
        config: RetentionConfig,
        stores: Sequence[Store],
        tracking_uri: str | None,
        weights: StoreConfig,
        progress: Progress,
        claim: FolderStore | None = None,
    ) -> None:
        """Nothing is asked yet.

        Args:
            config: the policy.
            stores: where runs lie: folders or buckets.
            tracking_uri: MLflow; None: the runs track nothing, and no model goes.
            weights: by which a registered model elsewhere in the S3 server is reached.
            progress: where to say what stays after all.
            claim: journals and checkpoints of a cluster's runs, a folder each.
        """
        self._config, self._stores, self._uri, self._claim = config, stores, tracking_uri, claim
        self._weights, self._progress = weights, progress

    def rulings(self) -> list[Ruling]:
        """What goes and what stays, and why; nothing is changed.

        Raises:
            StoreError: a store or MLflow cannot be reached: to rule without them would be blind.
        """
        registry = self._registry()
        runs = [run for store in self._stores for run in find_runs(store)]
        weights = self._sizes(registry, runs) if registry else {}
        if self._claim is not None:
            names = sorted({entry.key.partition("/")[0] for entry in self._claim.entries("")})
            work = (find_work(self._claim, name, registry or FoundRegistry()) for name in names)
            runs += [run for run in work if run is not None]
        return rule(runs, registry, weights, self._config, datetime.now(UTC))

    def apply(self, journal: Journal) -> list[Ruling]:
        """Delete what goes by rulings that are made now; returns them as they came out.

        Raises:
            StoreError: a store or MLflow cannot be reached any more; what was deleted stands in the journal.
        """
        rulings = self.rulings()
        self._finish_versions(journal)
        done = [self._carried_out(one, journal) if one.goes else one for one in rulings]
        before = datetime.now(UTC) - timedelta(days=self._config.upload_days)
        for store in self._stores:
            if ended := store.end_unfinished(before):
                self._progress.say(f"{_place(store)}: {ended} uploads that never ended are given up")
        return done

    def _carried_out(self, ruling: Ruling, journal: Journal) -> Ruling:
        why = self._objection(ruling)
        if why is None and ruling.part == "version":
            self._delete_version(ruling, journal)
        elif why is None:
            store = self._store_of(ruling)
            with held(store, ruling.name) as free:
                if free:
                    self._noted(ruling, journal, {}, GOING)
                    delete_part(store, ruling.name, ruling.part)
                    self._noted(ruling, journal, {}, GONE)
                else:
                    why = "a process works in it"
        if why is None:
            return ruling
        self._progress.say(f"{ruling.name}, {ruling.part}: stays after all: {why}")
        return replace(ruling, goes=False, why=why)

    def _objection(self, ruling: Ruling) -> str | None:
        """Why a part may not go, as things are now."""
        registry, now = self._registry(), datetime.now(UTC)
        known = registry or FoundRegistry()
        if ruling.part == "version":
            version = self._version(ruling, known)
            runs = [find_run(store, version.run) for store in self._stores] if version and version.run else []
            closed = {run.run for run in runs if run and protection(run, known, self._config, now)}
            outside = version is not None and self._run_of(version.source) is None
            return version_need(version, known, closed, outside=outside) if version else None
        store = self._store_of(ruling)
        if self._claim is not None and store is self._claim:
            run = find_work(self._claim, ruling.name, known)
        else:
            run = find_run(store, ruling.name)
        if run is None:
            return None
        asks = ruling.part in ("model", "run") and not run.work_only
        need = model_need(run, registry) if asks else None
        return protection(run, known, self._config, now) or need

    def _delete_version(self, ruling: Ruling, journal: Journal) -> None:
        version = self._version(ruling, self._known_registry())
        facts = {"source": version.source if version else ""}
        self._noted(ruling, journal, facts, GOING)
        if self._uri is not None:
            remove_version(self._uri, ruling.place, int(ruling.name))
        self._delete_weights(facts["source"])
        self._noted(ruling, journal, facts, GONE)

    def _finish_versions(self, journal: Journal) -> None:
        """Delete weights whose version an earlier call deleted before it was killed."""
        left = [one for one in journal.values() if one["state"] == GOING and one["part"] == "version"]
        for entry in left:
            if self._run_of(entry["source"]) is None and self._known_registry().open_runs:
                self._progress.say(f"{entry['source']} stays as long as a run is open")
                continue
            self._delete_weights(entry["source"])
            journal.record(entry["key"], {**entry, "state": GONE})

    def _delete_weights(self, source: str) -> None:
        """Delete weights that lie in no run's folder; those of a run go with its parts."""
        if any(one.source == source for one in self._known_registry().versions):
            return
        if self._run_of(source) is None and (store := self._elsewhere(source)) is not None:
            for entry in list(store.entries("")):
                store.delete(entry.key)

    def _sizes(self, registry: FoundRegistry, runs: Sequence[FoundRun]) -> Mapping[str, int]:
        """URI of each registered model that can be deleted from here → bytes."""
        in_runs = {f"{run.place}/{run.run}{MODEL}": run.sizes.get("model", 0) for run in runs}
        sizes: dict[str, int] = {}
        for source in {one.source for one in registry.versions}:
            if self._run_of(source) is not None:
                sizes[source] = in_runs.get(source, 0)
            elif (store := self._elsewhere(source)) is not None:
                try:
                    sizes[source] = sum(entry.size for entry in store.entries(""))
                except StoreError as error:
                    self._progress.say(f"{source} stays: {error.problem}")
        return sizes

    def _run_of(self, source: str) -> Store | None:
        """The store in whose runs a model lies."""
        return next((store for store in self._stores if source.startswith(f"{_place(store)}/")), None)

    def _elsewhere(self, source: str) -> Store | None:
        """A registered model outside of the runs, as a store of its own: another bucket or prefix of the
        server that the recipe names; only what lies in a folder called model is taken for one."""
        if not source.startswith("s3://") or not source.endswith(MODEL):
            return None
        if self._weights.url is None or not self._weights.url.startswith("s3://"):
            return None
        from gukbap.adapters.minio_store import MinioStore

        return MinioStore.from_url(self._weights.model_copy(update={"url": source}), create=False)

    def _store_of(self, ruling: Ruling) -> Store:
        places = [*self._stores, *([self._claim] if self._claim else [])]
        return next(store for store in places if _place(store) == ruling.place)

    def _version(self, ruling: Ruling, registry: FoundRegistry) -> FoundVersion | None:
        named = (ruling.place, ruling.name)
        return next((one for one in registry.versions if (one.model, str(one.number)) == named), None)

    def _registry(self) -> FoundRegistry | None:
        return read_registry(self._uri, self._config.model_changes) if self._uri else None

    def _known_registry(self) -> FoundRegistry:
        return self._registry() or FoundRegistry()

    def _noted(self, ruling: Ruling, journal: Journal, facts: Mapping[str, Any], state: str) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        entry = {**asdict(ruling), **facts, "key": ruling.key, "state": state, "at": at}
        journal.record(ruling.key, entry)


def _place(store: Store) -> str:
    """The URI under which a store's runs lie."""
    return store.uri("x").rpartition("/")[0]

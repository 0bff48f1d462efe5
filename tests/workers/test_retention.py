"""Retention on a folder of runs and a real SQLite registry of MLflow; on S3 and a server where it is slow."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient

from gukbap.adapters import run_parts, store_retries
from gukbap.adapters.folder_store import FolderStore
from gukbap.adapters.mlflow_tracker import open_run
from gukbap.adapters.stored_folders import upload_folder, verify_folder
from gukbap.adapters.stores import open_store
from gukbap.cli.prune import JOURNAL, prune
from gukbap.config import RetentionConfig, StoreConfig
from gukbap.errors import StoreError, UsageError
from gukbap.journal import Journal
from gukbap.workers import context
from gukbap.workers import retention as worker
from gukbap.workers.retention import Retention
from tests.servers import mlflow_server, mortal_s3
from tests.tracking_files import tracking_file
from tests.workers.retained import FILES, a_run, names, parts, register, versions

NOW = {"model_days": 0.0, "journal_days": 0.0}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "GUKBAP_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GUKBAP_QUIET", "1")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs and their registry: three former champions, the champion, refused and open ones."""
    root = tmp_path_factory.mktemp("runs")
    uri = tracking_file(root / "mlflow.sqlite3")
    for number, run in enumerate(("oldest", "former", "previous", "champion", "refused", "newest")):
        folder = a_run(root, run, days=100 - number)
        register(uri, run, str(folder / "model"), promote=run in ("oldest", "former", "previous", "champion"))
    a_run(root, "unfinished", finished=False)
    a_run(root, "running")
    open_run("gukbap", "running", "running", uri)
    return root


def retention(runs: Path, uri: str | None = None, **policy: Any) -> Retention:
    config = RetentionConfig.model_validate({**NOW, "model_changes": 0, **policy})
    where = f"sqlite:///{runs / 'mlflow.sqlite3'}" if uri is None else uri
    return Retention(config, [FolderStore(runs)], where, StoreConfig(), context.progress())


def call(runs: Path, *options: str) -> Result:
    given = ["--runs", str(runs), *options]
    return CliRunner().invoke(prune, given, catch_exceptions=False)


def test_a_dry_run_says_what_goes_and_why_the_rest_stays_and_changes_nothing(runs: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*") if "mlflow" not in path.name}
    options = [f"--set=retention.{key}={value}" for key, value in NOW.items()]
    told = call(runs, *options, "--set=retention.model_changes=0")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not (runs / JOURNAL).exists()
    lines = told.stdout.splitlines()

    def line(part: str, name: str) -> str:
        return next(text for text in lines if f" {part} " in text and f" {name} " in text)

    assert "champion of gukbap-kept" in line("model", "champion")
    assert "previous of gukbap-kept" in line("model", "previous")
    assert "challenger of gukbap-kept" in line("model", "newest")
    assert line("model", "refused").startswith("would go")
    assert "can be resumed" in line("run", "unfinished")
    assert "running" in line("run", "running")
    assert told.stdout.endswith("call again with --apply\n")
    document = json.loads(call(runs, *options, "--json").stdout)
    assert document["deleted"] is False


def test_the_newest_changes_of_champion_are_needed_too(runs: Path) -> None:
    found = {one.name: one for one in retention(runs, model_changes=3).rulings() if one.part == "model"}
    assert "change 2 of gukbap-kept's champion" in found["former"].why
    assert found["oldest"].goes


def test_a_process_in_a_run_keeps_it(runs: Path) -> None:
    with (runs / "refused" / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        (ruling,) = [one for one in retention(runs).rulings() if one.name == "refused"]
    assert (ruling.goes, ruling.why) == (False, "a process works in it")


def test_a_run_that_becomes_needed_after_the_ruling_stays(
    runs: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    a_run(tmp_path, "one")
    found = retention(tmp_path, uri=f"sqlite:///{runs / 'mlflow.sqlite3'}")
    rulings = found.rulings()
    assert any(one.goes for one in rulings)
    monkeypatch.setattr(found, "rulings", lambda: rulings)
    (tmp_path / "one" / "KEEP").touch()
    with Journal(tmp_path / JOURNAL) as journal:
        done = found.apply(journal)
    assert {one.why for one in done if one.name == "one"} == {"pinned"}
    assert parts(tmp_path / "one") == set(FILES)


def test_without_an_answer_of_the_registry_nothing_is_deleted(tmp_path: Path) -> None:
    a_run(tmp_path, "one")
    (tmp_path / "mlflow.sqlite3").write_bytes(b"no database at all, whatever its name says")
    with pytest.raises(StoreError), Journal(tmp_path / JOURNAL) as journal:
        retention(tmp_path).apply(journal)
    assert parts(tmp_path / "one") == set(FILES)
    (tmp_path / "mlflow.sqlite3").unlink()
    with pytest.raises(UsageError, match="there is no MLflow"):
        call(tmp_path, "--apply")


def test_what_is_no_run_is_not_seen(tmp_path: Path) -> None:
    for name in ("set/versions/ab.json", "set/log/000001.json", "set/files/ab", "mlflow-artifacts/1/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("kept")
    assert run_parts.find_runs(FolderStore(tmp_path)) == []


def test_a_shorter_upload_is_whole_and_a_deleted_one_leaves_nothing(tmp_path: Path) -> None:
    a_run(tmp_path / "runs", "one")
    store = FolderStore(tmp_path / "store")
    upload_folder(store, tmp_path / "runs/one", "one", context.progress())
    run_parts.delete_part(store, "one", "model")
    assert verify_folder(store, "one", tmp_path, context.progress()) == []
    assert parts(tmp_path / "store/one") == set(FILES) - {"model"}
    (tmp_path / "store/one/.torn.tmp").touch()
    run_parts.delete_part(store, "one", "run")
    assert not (tmp_path / "store/one").exists()


def test_a_claim_keeps_what_a_run_that_can_be_tried_again_needs(runs: Path, tmp_path: Path) -> None:
    uri = f"sqlite:///{runs / 'mlflow.sqlite3'}"
    open_run("gukbap", "pod-done", "pod-done", uri).finish("FINISHED")
    open_run("gukbap", "pod-failed", "pod-failed", uri).finish("FAILED")
    open_run("gukbap", "pod-running", "pod-running", uri)
    claim = FolderStore(tmp_path / "claim/runs")
    for run in ("pod-done", "pod-failed", "pod-running", "nobody-knows"):
        (claim.root / run / "train-1").mkdir(parents=True)
        (claim.root / run / "train-1/state.bin").write_text("weights")
    (tmp_path / "claim/ledger.jsonl").write_text("kept")

    def left(**policy: Any) -> set[str]:
        config = RetentionConfig.model_validate({**NOW, **policy})
        found = Retention(config, [], uri, StoreConfig(), context.progress(), claim)
        with Journal(tmp_path / JOURNAL) as journal:
            found.apply(journal)
        return {path.name for path in claim.root.iterdir()}

    assert left() == {"pod-failed", "pod-running", "nobody-knows"}
    assert left(abandoned_days=0) == {"pod-running"}
    assert (tmp_path / "claim/ledger.jsonl").exists()


class KilledError(BaseException):
    """Stands for a kill: nothing of ours catches it."""


def killed_at(number: int, delete: Callable[[FolderStore, str], None]) -> Callable[[FolderStore, str], None]:
    left = iter(range(number))

    def dying(store: FolderStore, key: str) -> None:
        if next(left, None) is None:
            raise KilledError
        delete(store, key)

    return dying


@pytest.mark.parametrize("at", [0, 1, 4])
def test_a_kill_between_deletions_is_repaired_by_the_next_call(
    at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: Path
) -> None:
    for run in ("one", "two"):
        a_run(tmp_path, run)
    uri = f"sqlite:///{runs / 'mlflow.sqlite3'}"
    with monkeypatch.context() as patch, pytest.raises(KilledError), Journal(tmp_path / JOURNAL) as journal:
        patch.setattr(FolderStore, "delete", killed_at(at, FolderStore.delete))
        retention(tmp_path, uri, run_days=0, keep_runs=1).apply(journal)
    with Journal(tmp_path / JOURNAL) as journal:
        retention(tmp_path, uri, run_days=0, keep_runs=1).apply(journal)
        states = {entry["state"] for entry in journal.values()}
    left = [run for run in ("one", "two") if (tmp_path / run).exists()]
    assert len(left) == 1
    assert parts(tmp_path / left[0]) == {"stays"}
    assert names(tmp_path / left[0]) == {*FILES["stays"], "run.json"}
    assert states == {"gone"}


def test_versions_go_with_their_models_and_what_is_needed_survives(runs: Path) -> None:
    """The last of the tests that share the runs, since it deletes."""
    uri = f"sqlite:///{runs / 'mlflow.sqlite3'}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    options = [f"--set=retention.{key}={value}" for key, value in NOW.items()]
    told = call(runs, "--apply", "--set=retention.model_changes=1", *options)
    assert "call again" not in told.stdout
    assert versions(client) == {3, 4, 6}
    for run in ("champion", "previous", "newest"):
        assert parts(runs / run) == {"model", "stays"}
    for run in ("oldest", "former", "refused"):
        assert parts(runs / run) == {"stays"}
    for run in ("unfinished", "running"):
        assert parts(runs / run) == set(FILES)
    aliases = client.get_registered_model("gukbap-kept").aliases
    assert {alias: int(one) for alias, one in aliases.items()} == {
        "champion": 4,
        "previous": 3,
        "challenger": 6,
    }
    with Journal(runs / JOURNAL) as journal:
        gone = {(entry["name"], entry["part"]) for entry in journal.values()}
    assert {("2", "version"), ("refused", "model"), ("champion", "journals")} <= gone
    assert json.loads(call(runs, "--apply", *options, "--json").stdout)["deleted"] is True


@pytest.mark.slow
@pytest.mark.s3
@pytest.mark.mlflow
def test_models_in_buckets_go_by_a_server_s_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mortal_s3() as (s3, mortal), mlflow_server() as uri:
        monkeypatch.setenv("MINIO_ACCESS_KEY", s3.access_key)
        monkeypatch.setenv("MINIO_SECRET_KEY", s3.secret_key)
        config = StoreConfig(url="s3://gukbap/runs", endpoint_url=s3.endpoint)
        artifacts = StoreConfig(url="s3://gukbap/artifacts", endpoint_url=s3.endpoint)
        store, elsewhere = open_store(config), open_store(artifacts)
        assert store is not None
        assert elsewhere is not None
        for run in ("previous", "champion", "refused", "newest", "unfinished"):
            a_run(tmp_path, run, finished=run != "unfinished")
            upload_folder(store, tmp_path / run, run, context.progress())
        # Kubeflow Pipelines keeps models elsewhere in the bucket.
        for run in ("pod-old", "pod-open"):
            elsewhere.put_file(tmp_path / "champion/model/config.json", f"{run}/train/1/model/config.json")
            register(uri, run, f"minio://gukbap/artifacts/{run}/train/1/model")
        for run in ("previous", "champion", "refused", "newest"):
            register(uri, run, f"s3://gukbap/runs/{run}/model", promote=run in ("previous", "champion"))
        under_way = open_run("gukbap", "pod-open", "pod-open", uri)
        policy = RetentionConfig.model_validate({**NOW, "model_changes": 1})

        def found(tracking: str = uri) -> Retention:
            return Retention(policy, [store], tracking, config, context.progress())

        def there() -> set[tuple[str, str]]:
            names_of = {entry.key.partition("/")[::2] for entry in store.entries("")}
            return {(run, part) for run, name in names_of if (part := run_parts.part_of(name))}

        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        everything = there()
        with Journal(tmp_path / JOURNAL) as journal:
            with pytest.raises(StoreError):
                found("http://127.0.0.1:9").apply(journal)
            assert there() == everything
            # A run that is under way may get any model from Kubeflow's cache.
            found().apply(journal)
            assert versions(client) == {1, 2, 3, 4, 6}
            under_way.tags({"gukbap.keep": "for the paper"})
            under_way.finish()

            def dying(*_: object) -> None:
                raise KilledError

            with monkeypatch.context() as patch, pytest.raises(KilledError):
                patch.setattr(worker.Retention, "_delete_weights", dying)
                found().apply(journal)
            found().apply(journal)
        assert versions(client) == {2, 3, 4, 6}
        assert elsewhere.list("") == ["pod-open/train/1/model/config.json"]
        left = there()
        assert {run for run, part in left if part == "model"} == {
            *("previous", "champion", "newest", "unfinished")
        }
        assert {part for run, part in left if run == "unfinished"} == {"model", "journals", "checkpoints"}
        for run in ("previous", "champion", "refused", "newest"):
            assert verify_folder(store, run, tmp_path, context.progress()) == []
        mortal.kill()
        monkeypatch.setattr(store_retries, "LONGEST_PAUSE_SECONDS", 0.1)
        with pytest.raises(StoreError):
            found().rulings()

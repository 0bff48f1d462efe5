"""A data set that grows from run to run: the data steps, on a folder store, with the scripted teacher."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gukbap.adapters.folder_store import FolderStore
from gukbap.adapters.version_store import VersionStore
from gukbap.errors import InputError
from gukbap.files import read_jsonl
from gukbap.schemas import Excluded
from gukbap.stages.provenance import breaches
from tests.workers.growing import TEXTS, Growing


@pytest.fixture
def growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Growing:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    return Growing(tmp_path, monkeypatch)


@pytest.fixture
def versions(tmp_path: Path) -> VersionStore:
    return VersionStore(FolderStore(tmp_path / "store"), "smoke")


def test_a_run_evolves_new_seeds_alone_and_keeps_all_rows_of_before(
    growing: Growing, versions: VersionStore
) -> None:
    one = growing.whole("one", TEXTS[:3])
    assert one.recipe.data.base is None
    two = growing.whole("two", TEXTS, "teacher.licence=MIT")
    data = two.statistics("dedup")["data"]
    first, second = versions.log()
    assert (two.recipe.data.base, data["version"], data["number"]) == (first.version, second.version, 2)
    assert two.rows()[: len(one.rows())] == one.rows()
    assert {row.lineage.seed_id for row in two.rows()} > {row.lineage.seed_id for row in one.rows()}
    assert [seed.instruction for seed in two.seeds()] == list(TEXTS)
    generated = two.statistics("generate")
    assert (generated["seeds"], generated["seeds_known"], generated["earlier_rows"]) == (
        3,
        3,
        len(one.rows()),
    )
    assert generated["calls_sent"] > 0
    assert generated["kept"] == generated["rows"] + len(one.rows())
    assert two.statistics("dedup")["index_reused"]
    manifest = versions.manifest(second.version)
    assert manifest.parent == first.version
    written = {source.teacher.licence: source.rows for source in manifest.sources}
    assert written == {"Apache-2.0": len(one.rows()), "MIT": manifest.new_rows}
    assert breaches(two.rows()) == []


def test_without_new_seeds_nothing_is_asked_or_published_and_the_rows_are_the_same(
    growing: Growing, versions: VersionStore, tmp_path: Path
) -> None:
    one = growing.whole("one", TEXTS[:2])
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*")}
    two = growing.whole("two", TEXTS[:2])
    assert two.statistics("generate")["calls_sent"] == 0
    assert two.statistics("dedup")["data"]["number"] is None
    assert (two.folder / "kept.jsonl").read_bytes() == (one.folder / "kept.jsonl").read_bytes()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*")} == before


def test_seeds_that_had_no_turn_are_evolved_by_the_next_run(growing: Growing) -> None:
    one = growing.whole("one", TEXTS, "generate.max_rows=2", "teacher.concurrency=1")
    first = len(one.seeds())
    assert 0 < first < len(TEXTS)
    two = growing.whole("two", TEXTS)
    assert two.statistics("generate")["seeds"] == len(TEXTS) - first
    assert [seed.instruction for seed in two.seeds()] == list(TEXTS)


def test_rows_that_are_found_to_hold_an_evaluation_text_are_gone(
    growing: Growing, versions: VersionStore, tmp_path: Path
) -> None:
    """The second run knows an evaluation that holds an instruction of the first one's rows."""
    one = growing.whole("one", TEXTS[:3])
    (tmp_path / "more.txt").write_text(TEXTS[0] + "\n", "utf-8")
    two = growing.whole("two", TEXTS[:4], f"clean.benchmarks=[{tmp_path / 'more.txt'}]")
    gone = {one.row.id for one in read_jsonl(two.folder / "excluded.jsonl", Excluded)}
    assert {row.id for row in one.rows()} & gone
    done = two.statistics("dedup")
    assert not done["index_reused"]
    assert done["data"]["gone_rows"] == len({row.id for row in one.rows()} & gone)
    assert not {row.id for row in two.rows()} & gone
    # What is gone is not evolved again.
    three = growing.whole("three", TEXTS[:4])
    assert three.statistics("generate")["calls_sent"] == 0
    assert three.rows() == two.rows()


def test_of_two_runs_at_once_the_later_joins_the_other(growing: Growing, versions: VersionStore) -> None:
    """Both begin with the same version; the seeds of one are in part those of the other."""
    base = growing.whole("base", TEXTS[:1])
    runs = [growing.begin("one", TEXTS[:4]), growing.begin("two", [*TEXTS[:2], *TEXTS[4:]])]
    for run in runs:
        growing.generate_and_clean(run)
    first, second = (growing.dedup(run) for run in runs)
    assert (first["number"], second["number"]) == (2, 3)
    newest = versions.manifest(versions.log()[-1].version)
    assert (newest.parent, newest.joined) == (first["version"], second["version"])
    three = growing.whole("three", TEXTS)
    assert three.statistics("generate")["calls_sent"] == 0
    assert {seed.instruction for seed in three.seeds()} == set(TEXTS)
    ids = [row.id for row in three.rows()]
    assert len(ids) == len(set(ids))
    assert set(ids) == {row.id for run in (base, *runs) for row in run.rows()}
    assert breaches(three.rows()) == []
    # A retry of the step finds what it has published.
    assert growing.dedup(runs[1]) == second
    assert len(versions.log()) == 3


def _killing(method: str, left: int, done: bool) -> Callable[..., Any]:
    """The store's method, with a kill before or after one of its calls."""
    original, calls = getattr(FolderStore, method), iter(range(left))

    def counted(self: FolderStore, *args: Any, **kwargs: Any) -> Any:
        last = next(calls, None) is None
        if last and not done:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = original(self, *args, **kwargs)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return counted


@pytest.mark.parametrize(
    ("method", "left", "done"),
    [
        ("put_file", 0, False),
        ("put_file", 3, True),
        ("put_new", 0, True),
        ("put_new", 1, False),
        ("put_new", 1, True),
    ],
)
def test_killed_at_any_write_the_old_version_stands_or_the_new_one(
    growing: Growing, versions: VersionStore, method: str, left: int, done: bool
) -> None:
    growing.whole("one", TEXTS[:2])
    two = growing.begin("two", TEXTS[:4])
    growing.generate_and_clean(two)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FolderStore, method, _killing(method, left, done))
        child = multiprocessing.get_context("fork").Process(target=growing.dedup, args=(two,))
        child.start()
        child.join()
    assert child.exitcode == -signal.SIGKILL
    logged = [entry.version for entry in versions.log()]
    assert len(logged) == (2 if (method, left, done) == ("put_new", 1, True) else 1)
    assert [problem for version in logged for problem in versions.problems(version)] == []
    data = growing.dedup(two)
    assert [entry.version for entry in versions.log()] == [logged[0], data["version"]]
    assert list(versions.problems(data["version"])) == []


def test_a_resumed_run_goes_on_with_the_version_that_it_began_with(
    growing: Growing, versions: VersionStore
) -> None:
    growing.whole("one", TEXTS[:1])
    two = growing.begin("two", TEXTS[:2])
    growing.whole("three", TEXTS[:3])
    again = growing.begin("two", TEXTS[:2])
    assert again.recipe.data == two.recipe.data
    assert again.recipe.data.base == versions.log()[0].version


def test_an_older_version_as_the_base_leaves_later_rows_out(growing: Growing, versions: VersionStore) -> None:
    one = growing.whole("one", TEXTS[:1])
    growing.whole("two", TEXTS[:3])
    older = versions.log()[0].version
    back = growing.whole("back", [TEXTS[0], TEXTS[3]], f"data.base={older[:8]}")
    manifest = versions.manifest(versions.log()[-1].version)
    assert (manifest.parent, manifest.joined) == (older, None)
    assert back.rows()[: len(one.rows())] == one.rows()
    assert [seed.instruction for seed in back.seeds()] == [TEXTS[0], TEXTS[3]]
    with pytest.raises(InputError, match="has no version 'nothing'"):
        growing.begin("none", TEXTS, "data.base=nothing")

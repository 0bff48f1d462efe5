"""A step whose process or container is killed in its middle."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gukbap.files import read_jsonl
from gukbap.runners.containers import LABEL
from gukbap.runners.run_folder import RunFolder
from gukbap.schemas import Row
from tests.runners.one_step import Teacher, recipe, run

SECRET = "the-teachers-key-that-no-file-may-hold"
OTHER_SECRET = "a-key-that-no-step-needs"


@pytest.fixture
def teacher() -> Iterator[Teacher]:
    with Teacher() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def recorded(folder: RunFolder) -> list[str]:
    """The replies in the step's journal; a line that is being written is left out."""
    [*journals] = folder.work.glob("generate-*/calls.jsonl")
    whole = [line for path in journals for line in path.read_text("utf-8").split("\n")[:-1]]
    return [json.loads(line)["value"]["text"] for line in whole]


@contextmanager
def killing(folder: RunFolder, kill: Callable[[], None]) -> Iterator[list[str]]:
    """Kill once, when three calls are recorded; yields what was recorded just after the kill."""
    left: list[str] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            if len(recorded(folder)) >= 3:
                kill()
                left.extend(recorded(folder))
                return
            time.sleep(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield left
    finally:
        over.set()
        thread.join()


def kill_containers(engine: Any, folder: RunFolder) -> None:
    for container in engine.containers.list(filters={"label": f"{LABEL}={folder.path}"}):
        container.kill()


def kill_step_processes() -> None:
    """kill -9 of the processes below this one that execute a step."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:  # ended meanwhile
            continue
    for process in parents:
        ancestor = process
        while ancestor in parents and ancestor != os.getpid():
            ancestor = parents[ancestor]
        if ancestor != os.getpid() or process == os.getpid():
            continue
        if b"kfp.dsl.executor_main" in Path(f"/proc/{process}/cmdline").read_bytes():
            os.kill(process, signal.SIGKILL)


@pytest.mark.parametrize("runner", ["subprocess", pytest.param("docker", marks=pytest.mark.docker)])
def test_a_step_killed_in_its_middle_is_tried_again_and_repeats_no_recorded_call(
    runner: str,
    teacher: Teacher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    monkeypatch.setenv("OTHER_KEY", OTHER_SECRET)
    folder = RunFolder.create(tmp_path / "runs", recipe(teacher.url), "killed")
    if runner == "docker":
        engine = request.getfixturevalue("engine")
        kill = killing(folder, lambda: kill_containers(engine, folder))
    else:
        kill = killing(folder, kill_step_processes)
    with kill as left:
        run(runner, folder)
    assert 3 <= len(left) < 12
    kept = recorded(folder)
    assert kept[: len(left)] == left
    assert len(kept) == len(set(kept)) == 12
    asked = list(teacher.asked.values())
    for number, question in teacher.asked.items():
        if any(text.startswith(f"{number}번째") for text in left):
            assert asked.count(question) == 1
    # What was under way when the kill came, one call at a time here, is all that may be asked twice.
    assert len(asked) <= 12 + 1
    assert teacher.keys == {f"Bearer {SECRET}"}
    assert len(read_jsonl(folder.place("generate", "rows"), Row)) == 12
    files = [path for path in folder.path.rglob("*") if path.is_file()]
    assert {path.stat().st_uid for path in files} == {os.getuid()}
    for path in files:
        content = path.read_bytes()
        assert SECRET.encode() not in content
        assert OTHER_SECRET.encode() not in content

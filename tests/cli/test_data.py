"""`gukbap data` on a folder store with two versions that were published by runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gukbap.cli.data import data
from gukbap.errors import InputError, UsageError
from tests.workers.growing import TEXTS, Growing


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID"):
            patch.delenv(name, raising=False)
        growing = Growing(folder, patch)
        growing.whole("one", TEXTS[:2])
        growing.whole("two", TEXTS[:4])
    return (folder / "store").as_uri()


def run(store: str, *arguments: str) -> Result:
    done = CliRunner().invoke(data, [*arguments, "--store", store])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_versions_are_listed_in_their_order_with_their_parents(store: str) -> None:
    document = json.loads(run(store, "list", "--json").stdout)
    first, second = document["versions"]
    assert document["name"] == "smoke"
    assert [(one["number"], one["run"]) for one in (first, second)] == [(1, "one"), (2, "two")]
    assert (first["parent"], second["parent"]) == (None, first["version"])
    assert second["rows"] == first["rows"] + second["new_rows"]
    assert (second["seeds"], second["new_seeds"]) == (4, 2)
    table = run(store, "list").stdout.splitlines()
    assert table[0].split()[:3] == ["number", "version", "parent"]
    assert second["version"] in table[2]


def test_a_version_is_shown_verified_compared_and_fetched(store: str, tmp_path: Path) -> None:
    first, second = (one["version"] for one in json.loads(run(store, "list", "--json").stdout)["versions"])
    shown = json.loads(run(store, "show", second[:7], "--verify", "--json").stdout)
    assert (shown["version"], shown["problems"]) == (second, [])
    assert sum(shown["operations"].values()) == sum(one["rows"] for one in shown["sources"]) == shown["rows"]
    assert "every file is what was published" in run(store, "show", "latest", "--verify").stdout
    found = json.loads(run(store, "diff", first, "latest", "--json").stdout)
    assert (found["added"]["rows"], found["removed"]["rows"]) == (shown["new_rows"], 0)
    backwards = run(store, "diff", second, first).stdout
    assert f"removed  {shown['new_rows']}" in backwards
    run(store, "get", "latest", str(tmp_path / "back"))
    assert len((tmp_path / "back" / "rows.jsonl").read_text("utf-8").splitlines()) == shown["rows"]
    assert (tmp_path / "back" / "index" / "index.json").is_file()


def test_what_is_not_there_is_one_error_that_names_what_is(store: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no version 'zz'"):
        run(store, "show", "zz")
    with pytest.raises(UsageError, match="one of smoke"):
        run(store, "list", "--name", "other")
    with pytest.raises(UsageError, match="0 data sets"):
        run((tmp_path / "empty").as_uri(), "list")
    with pytest.raises(UsageError, match="s3://"):
        run(str(tmp_path), "list")


def test_a_damaged_file_is_told_with_exit_code_1(store: str, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    shutil.copytree(Path(store.removeprefix("file://")), folder)
    shown = json.loads(run(store, "show", "latest", "--json").stdout)
    (folder / "smoke" / "files" / shown["files"]["rows.jsonl"]["sha256"]).write_text("other")
    done = run(folder.as_uri(), "show", "latest", "--verify")
    assert (done.exit_code, "PROBLEM  rows.jsonl is damaged" in done.stdout) == (1, True)

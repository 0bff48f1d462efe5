"""What a step asks: questions and strategies of a pack, also of one in a bucket."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gukbap.adapters.progress import open_progress
from gukbap.benchmarks import open_pack
from gukbap.benchmarks.logickor import import_logickor
from gukbap.errors import InputError
from gukbap.recipes import load_recipe
from gukbap.schemas import CATEGORIES
from gukbap.workers.packs import evaluation_inputs, local_pack
from tests.benchmarks.logickor.upstream import checkout, lines
from tests.servers import seaweed_s3

PROGRESS = open_progress(quiet=True)


def test_the_smoke_recipe_asks_the_questions_of_a_pack_folder(tmp_path: Path) -> None:
    pack = import_logickor(str(checkout(tmp_path / "up")), tmp_path / "pack").path
    recipe = load_recipe("smoke", [f"evaluate.pack={pack}"])
    settings = recipe.infer_settings("base").evaluate
    questions, strategies = evaluation_inputs(settings, PROGRESS)
    assert [question.category for question in questions] == list(CATEGORIES)
    assert questions[0].questions == lines()[0]["questions"]
    assert strategies == open_pack(str(pack)).strategies


def test_other_references_stay_as_they_are() -> None:
    assert local_pack("bundled://offline-pack", PROGRESS) == "bundled://offline-pack"
    assert local_pack("mine.jsonl", PROGRESS) == "mine.jsonl"


@pytest.mark.s3
def test_a_pack_in_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gukbap.adapters.minio_store import MinioStore
    from gukbap.config import StoreConfig

    pack = import_logickor(str(checkout(tmp_path / "up")), tmp_path / "pack").path
    (tmp_path / "one.jsonl").write_text(json.dumps(lines()[0]))
    monkeypatch.setenv("GUKBAP_CACHE", str(tmp_path / "cache"))
    with seaweed_s3() as server:
        monkeypatch.setenv("MINIO_ENDPOINT", server.endpoint)
        monkeypatch.setenv("MINIO_ACCESS_KEY", server.access_key)
        monkeypatch.setenv("MINIO_SECRET_KEY", server.secret_key)
        store = MinioStore.from_url(StoreConfig(url="s3://packs"))
        for path in pack.iterdir():
            store.put_file(path, f"logickor/{path.name}")
        store.put_file(tmp_path / "one.jsonl", "mine/one.jsonl")
        assert open_pack(local_pack("s3://packs/logickor", PROGRESS)) == open_pack(str(pack))
        single = open_pack(local_pack("s3://packs/mine/one.jsonl", PROGRESS))
        assert [question.id for question in single.questions] == [1]
        (pack / "judge.json").write_text("{}")
        store.put_file(pack / "judge.json", "logickor/judge.json")
        with pytest.raises(InputError, match=r"judge\.json was changed"):
            open_pack(local_pack("s3://packs/logickor", PROGRESS))
        with pytest.raises(InputError, match="nothing lies under s3://packs/elsewhere"):
            local_pack("s3://packs/elsewhere", PROGRESS)

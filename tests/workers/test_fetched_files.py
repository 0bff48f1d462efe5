"""Seeds that lie elsewhere: a real S3 server, and the hub's cache as its client writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gukbap.adapters.minio_store import MinioStore
from gukbap.adapters.progress import SilentProgress
from gukbap.config import GenerateConfig, StoreConfig
from gukbap.errors import InputError
from gukbap.stages.generate import load_seeds
from gukbap.workers.fetched_files import local_file, local_seeds
from tests.servers import S3Server, seaweed_s3

TEXT = "하늘이 파란 까닭을 설명해 주세요."


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3Server]:
    """A real S3 server."""
    with seaweed_s3() as server:
        yield server


def _seeds(reference: str) -> list[str]:
    local = local_seeds(reference, SilentProgress())
    return [seed.instruction for seed in load_seeds(GenerateConfig(seeds=local))]


def test_local_references_stay_as_they_are() -> None:
    for reference in ("bundled://seeds", "file:///a/b.csv", "seeds.txt"):
        assert local_file(reference, SilentProgress(), "seed file") == reference


@pytest.mark.s3
def test_seeds_in_a_bucket(s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIO_ENDPOINT", s3_server.endpoint)
    monkeypatch.setenv("MINIO_ACCESS_KEY", s3_server.access_key)
    monkeypatch.setenv("MINIO_SECRET_KEY", s3_server.secret_key)
    monkeypatch.setenv("GUKBAP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "mine.txt").write_text(TEXT, encoding="utf-8")
    store = MinioStore.from_url(StoreConfig(url="s3://seeds/korean"))
    store.put_file(tmp_path / "mine.txt", "mine.txt")
    assert _seeds("s3://seeds/korean/mine.txt") == [TEXT]
    with pytest.raises(InputError, match=r"there is no object s3://seeds/korean/none\.txt"):
        _seeds("s3://seeds/korean/none.txt")
    store.put_file(tmp_path / "mine.txt", "other.txt")
    with pytest.raises(InputError, match="2 objects lie under s3://seeds/korean"):
        _seeds("s3://seeds/korean")
    (tmp_path / "mine.txt").write_text("국밥은 왜 뜨거운 그릇에 담나요?", encoding="utf-8")
    store.put_file(tmp_path / "mine.txt", "other.txt")
    assert _seeds("s3://seeds/korean/") == [TEXT, "국밥은 왜 뜨거운 그릇에 담나요?"]


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub's client, which is told not to go out."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def test_seeds_in_a_data_set_of_the_hub(hub_cache: Path) -> None:
    commit = "a" * 40
    repository = hub_cache / "datasets--org--korean-seeds"
    snapshot = repository / "snapshots" / commit / "data"
    snapshot.mkdir(parents=True)
    (snapshot / "train.jsonl").write_text(f'{{"instruction": "{TEXT}", "output": "…"}}\n', encoding="utf-8")
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(commit)
    for revision in ("", "@main", f"@{commit}"):
        assert _seeds(f"hf://datasets/org/korean-seeds{revision}/data/train.jsonl") == [TEXT]
    with pytest.raises(InputError, match="cannot be had") as raised:
        _seeds("hf://datasets/org/other/data/train.jsonl")
    assert "HF_HUB_OFFLINE" in str(raised.value)


@pytest.mark.parametrize(
    "reference", ["hf://org/name", "hf://datasets/org/name", "hf://datasets/org/a b/c.jsonl"]
)
def test_a_malformed_hub_reference_is_told(reference: str) -> None:
    with pytest.raises(InputError, match="malformed"):
        local_file(reference, SilentProgress(), "seed file")

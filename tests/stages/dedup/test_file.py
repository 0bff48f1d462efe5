"""Near-dedup from file to file: the same as in memory, with any workers, after a kill, and in parts."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench.korean_rows import row
from gukbap.adapters.progress import SilentProgress
from gukbap.config import DedupSettings
from gukbap.errors import InputError
from gukbap.files import read_jsonl, write_jsonl
from gukbap.schemas import Removed, Row
from gukbap.stages.dedup import chunks, dedup_file, tasks
from gukbap.stages.dedup.chunks import read_chunk
from gukbap.stages.dedup.corpus import Corpus
from gukbap.stages.dedup.reading import line_ranges
from tests.stages.dedup.rows import LONG, configured, dedup, families, of_texts


def run(folder: Path, rows: Sequence[Row], settings: DedupSettings, index: Path | None = None) -> list[str]:
    """Near-dedup rows through files; returns the ids that stay."""
    folder.mkdir(exist_ok=True)
    write_jsonl(folder / "rows.jsonl", rows)
    return run_again(folder, settings, index)


def run_again(folder: Path, settings: DedupSettings, index: Path | None = None) -> list[str]:
    source, kept, removed = (folder / f"{name}.jsonl" for name in ("rows", "kept", "removed"))
    dedup_file(settings, source, kept, removed, folder / "work", SilentProgress(), index=index)
    return [one.id for one in read_jsonl(kept, Row, allow_empty=True)]


@pytest.mark.parametrize(("size", "workers"), [(1 << 20, 1), (9_000, 1), (40_000, 2)])
def test_a_file_gives_what_memory_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, workers: int
) -> None:
    monkeypatch.setattr(tasks, "_LEAST_BYTES", size)
    monkeypatch.setattr(tasks, "_MOST_BYTES", size)
    rows = [*families(100, seed=5), row("x", "이 문제를 풀어 주세요", LONG), row("y", "답이 같은 행", LONG)]
    expected = dedup(rows)
    assert run(tmp_path, rows, configured(workers=workers)) == [one.id for one in expected.kept]
    assert read_jsonl(tmp_path / "removed.jsonl", Removed) == expected.removed
    assert len(list((tmp_path / "work").iterdir())) == len(line_ranges(tmp_path / "rows.jsonl", size))


def test_rows_of_a_file_keep_every_byte(tmp_path: Path) -> None:
    rows = of_texts("\u2028 줄 나눔과 \0", "\u202e거꾸로 🙂", "나머지")
    run(tmp_path, rows, configured())
    assert (tmp_path / "kept.jsonl").read_bytes() == (tmp_path / "rows.jsonl").read_bytes()


def test_half_a_surrogate_pair_is_mended(tmp_path: Path) -> None:
    [one, other] = [json.loads(r.model_dump_json()) for r in of_texts("온전한 행", "반쪽")]
    other["messages"][0]["content"] = "반쪽 \ud83d"
    (tmp_path / "rows.jsonl").write_text(f"{json.dumps(one)}\n\n{json.dumps(other)}\n", encoding="ascii")
    assert run_again(tmp_path, configured()) == ["r0", "r1"]
    assert read_jsonl(tmp_path / "kept.jsonl", Row)[1].instruction == "반쪽 \ufffd"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "holds no record"),
        (b"\n \n", "holds no record"),
        (b'{"id": "a"}\n', "line 1: category"),
        (b"\n\n{torn", "line 3: not JSON"),
        (b"\n\xff\n", "line 2: not UTF-8"),
    ],
)
def test_a_malformed_file_is_one_clear_error(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "rows.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=told):
        run_again(tmp_path, configured())
    assert not (tmp_path / "kept.jsonl").exists()


def test_lines_are_counted_over_all_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_LEAST_BYTES", 3_000)
    monkeypatch.setattr(tasks, "_MOST_BYTES", 3_000)
    rows = families(20, seed=6)
    write_jsonl(tmp_path / "rows.jsonl", rows)
    with (tmp_path / "rows.jsonl").open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(InputError, match=f"line {len(rows) + 1}: id"):
        run_again(tmp_path, configured(workers=2))


_KILLED = """
import os, sys
from pathlib import Path
from gukbap.adapters.progress import SilentProgress
from gukbap.stages.dedup import dedup_file, file, tasks
from tests.stages.dedup.rows import configured
folder, place = Path(sys.argv[1]), sys.argv[2]
tasks._LEAST_BYTES = tasks._MOST_BYTES = 9_000
def kill(*given, **named):
    os.kill(os.getpid(), 9)
count = 0
signed = tasks.sign_rows
def third(*given, **named):
    global count
    count += 1
    return kill() if count == 3 else signed(*given, **named)
if place == "signing":
    tasks.sign_rows = third
else:
    setattr(file, {"deciding": "find_removals", "writing": "removed_row"}[place], kill)
source, kept, removed = (folder / f"{name}.jsonl" for name in ("rows", "kept", "removed"))
dedup_file(configured(workers=1), source, kept, removed, folder / "work", SilentProgress())
"""


@pytest.mark.parametrize("place", ["signing", "deciding", "writing"])
def test_a_killed_run_goes_on_to_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    rows = families(80, seed=7)
    write_jsonl(tmp_path / "rows.jsonl", rows)
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path), place], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "kept.jsonl").exists()
    monkeypatch.setattr(tasks, "_LEAST_BYTES", 9_000)
    monkeypatch.setattr(tasks, "_MOST_BYTES", 9_000)
    signed: list[int] = []
    sign = chunks.sign_rows

    def counting(settings: DedupSettings, chunk: Sequence[Row], lines: Sequence[str]) -> object:
        signed.append(len(lines))
        return sign(settings, chunk, lines)

    monkeypatch.setattr(tasks, "sign_rows", counting)
    assert run_again(tmp_path, configured(workers=1)) == [one.id for one in dedup(rows).kept]
    assert sum(signed) < len(rows)


def test_tasks_on_several_machines_decide_what_one_run_decides(tmp_path: Path) -> None:
    rows, settings = families(120, seed=8), configured(bucket_rows=3)
    write_jsonl(tmp_path / "rows.jsonl", rows)
    ranges = line_ranges(tmp_path / "rows.jsonl", 20_000)
    for lines in reversed(ranges):
        tasks.sign_lines(settings, tmp_path / "rows.jsonl", lines, tmp_path)
    signed = [read_chunk(tasks.chunk_folder(tmp_path, lines)) for lines in ranges]
    bands = settings.dedup.bands
    targets = [tmp_path / "first", tmp_path / "second", tmp_path / "third"]
    for part, target in zip((range(3), range(3, 11), range(11, bands)), targets, strict=True):
        tasks.find_bands(settings, signed, part, target)
    corpus = Corpus(signed, settings.dedup)
    gone = set(corpus.ids([removal.row for removal in tasks.join(settings, signed, targets)]))
    assert gone == {entry.row.id for entry in dedup(rows, bucket_rows=3).removed}

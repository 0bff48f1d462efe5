"""The card of the data set: metadata that the hub reads, sources and licences, what was dropped."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from gukbap.recipes import load_recipe
from gukbap.stages.report import RunFacts, build_facts, report
from tests.stages.report import samples


def _card(folder: Path, facts: RunFacts) -> tuple[dict[str, object], str]:
    report(facts, samples.judgements(), folder)
    empty, front, body = (folder / "data_card.md").read_text(encoding="utf-8").split("---\n", 2)
    assert empty == ""
    return yaml.safe_load(front), body


def test_the_hub_finds_the_files_and_a_reader_the_sources(tmp_path: Path) -> None:
    rows = samples.rows()
    facts = build_facts(
        load_recipe("local"), statistics=samples.statistics(), rows=rows, dataset_sha256="a" * 64
    )
    front, body = _card(tmp_path, facts)
    assert front["language"] == ["ko"]
    files = front["configs"][0]["data_files"]  # type: ignore[index]
    assert [one["path"] for one in files] == ["train.jsonl", "validation.jsonl"]
    assert (
        f"| `scripted (not a model)` | not stated | Apache-2.0 | the run's own machine | 0.0 | {len(rows)} |"
        in body
    )
    assert "a" * 64 in body
    assert "| generate | 48 | 14 |" in body
    assert facts.recipe_hash in body
    hub = pytest.importorskip("huggingface_hub")
    assert hub.DatasetCard((tmp_path / "data_card.md").read_text("utf-8")).data.language == ["ko"]


def test_the_statement_on_decontamination_is_told_with_its_hashes(tmp_path: Path) -> None:
    _, body = _card(tmp_path, build_facts(load_recipe("local"), statistics=samples.statistics()))
    assert "Of 50 rows, 1 held a text of the evaluation and was taken out" in body
    assert f"| offline-pack, 147 texts | SHA-256 `{'e' * 64}` |" in body
    assert f"48, SHA-256 `{'c' * 64}`" in body
    assert f"| this statement | SHA-256 `{'d' * 64}` |" in body


def test_a_version_of_a_growing_data_set_names_the_one_before_it(tmp_path: Path) -> None:
    known = samples.statistics()
    grown = {"name": "local", "version": "b" * 16, "base": "a" * 16, "number": 7, "rows": 48, "new_rows": 3}
    data = {**grown, "gone_rows": 1, "seeds": 20, "new_seeds": 2}
    facts = build_facts(load_recipe("local"), statistics={**known, "dedup": {**known["dedup"], "data": data}})
    _, body = _card(tmp_path, facts)
    told = (
        f"Version `{'b' * 16}` of the data set local, grown out of version `{'a' * 16}`: 3 rows are new, 1 of"
    )
    assert told in body
    assert "20 seeds were evolved so far, 2 of them in this run." in body


def test_without_rows_nothing_is_made_up(tmp_path: Path) -> None:
    _, body = _card(tmp_path, build_facts(load_recipe("smoke"), statistics={}))
    assert "Not recorded." in body
    assert "The rows were not held against the evaluation." in body
    assert "No number here is a result" in body

"""The data steps of runs that share a data set, prepare to near-dedup, with the scripted teacher."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gukbap.config import Recipe
from gukbap.files import read_json, read_jsonl
from gukbap.recipes import load_recipe
from gukbap.schemas import Row, Seed
from gukbap.workers.clean import run_clean
from gukbap.workers.generate import run_generate
from gukbap.workers.prepare import run_prepare
from gukbap.workers.stages import run_dedup

TEXTS = (
    "집에서 두부를 만드는 방법을 순서대로 알려 주세요.",
    "할머니께 드릴 생신 축하 편지를 써 주세요.",
    "국밥이 지역마다 다른 까닭을 설명해 주세요.",
    "비가 올 때 빨래를 빨리 말리는 요령이 있나요?",
    "도서관에서 책을 빌리는 차례를 아이에게 알려 주세요.",
    "겨울에 화분이 얼지 않게 하려면 무엇을 해야 하나요?",
)


@dataclass(frozen=True)
class Run:
    """A run's folder and the recipe as it was settled."""

    folder: Path
    recipe: Recipe

    def rows(self, name: str = "kept") -> list[Row]:
        """The rows of one of its files."""
        return read_jsonl(self.folder / f"{name}.jsonl", Row, allow_empty=True)

    def seeds(self) -> list[Seed]:
        """All seeds that were evolved so far."""
        return read_jsonl(self.folder / "seeds.jsonl", Seed)

    def statistics(self, step: str) -> dict[str, Any]:
        """Of a step."""
        values: dict[str, Any] = read_json(self.folder / f"{step}.json")
        return values


class Growing:
    """Runs in folders under `root`, all with the data set in `root/store`."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root, self._patch = root, patch
        patch.setenv("GUKBAP_QUIET", "1")

    def begin(self, name: str, texts: Sequence[str], *overrides: str) -> Run:
        """The first step: the settings, with the version that the run goes on with."""
        folder = self._enter(name)
        (folder / "seeds.txt").write_text("\n".join(texts) + "\n", "utf-8")
        recipe = load_recipe(
            "smoke",
            [
                "tracking.enabled=false",
                "dedup.workers=1",
                "generate.seed_count=null",
                f"data.store={(self.root / 'store').as_uri()}",
                f"generate.seeds={folder / 'seeds.txt'}",
                *overrides,
            ],
        )
        prepared = run_prepare(recipe, form={}, freshness="reuse", images={}, summary=folder / "plan.md")
        return Run(folder, prepared.recipe)

    def generate_and_clean(self, run: Run) -> None:
        """The steps that make rows."""
        folder, recipe = self._enter(run.folder.name), run.recipe
        run_generate(
            recipe.generate_settings(),
            rows=folder / "generated.jsonl",
            dropped=folder / "dropped.jsonl",
            seeds=folder / "seeds.jsonl",
            statistics=folder / "generate.json",
        )
        run_clean(
            recipe.clean_settings(),
            source=folder / "generated.jsonl",
            rows=folder / "clean.jsonl",
            excluded=folder / "excluded.jsonl",
            statement=folder / "statement.json",
            statistics=folder / "clean.json",
        )

    def dedup(self, run: Run) -> dict[str, Any]:
        """The step that publishes; returns what it says of that."""
        folder = self._enter(run.folder.name)
        done = run_dedup(
            run.recipe.dedup_settings(),
            source=folder / "clean.jsonl",
            seeds=folder / "seeds.jsonl",
            statement=folder / "statement.json",
            rows=folder / "kept.jsonl",
            removed=folder / "removed.jsonl",
            statistics=folder / "dedup.json",
        )
        data: dict[str, Any] = done.statistics["data"]
        return data

    def whole(self, name: str, texts: Sequence[str], *overrides: str) -> Run:
        """All data steps of a run."""
        run = self.begin(name, texts, *overrides)
        self.generate_and_clean(run)
        self.dedup(run)
        return run

    def _enter(self, name: str) -> Path:
        folder = self.root / name
        (folder / "work").mkdir(parents=True, exist_ok=True)
        self._patch.setenv("GUKBAP_RUN_ID", name)
        self._patch.setenv("GUKBAP_WORK_DIR", str(folder / "work"))
        return folder

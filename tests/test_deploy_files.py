"""Files that tools of others read, as far as they are not the images' or the chart's own matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "helm" / "gukbap"


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_no_file_names_a_floating_image() -> None:
    files = [*(ROOT / "docker").rglob("*"), *CHART.rglob("*.yaml")]
    assert [
        path.name for path in files if path.is_file() and ":latest" in path.read_text(encoding="utf-8")
    ] == []


def test_pre_commit_hooks_need_nothing_from_outside() -> None:
    repositories = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    hooks = {hook["id"]: hook for hook in repositories[0]["hooks"]}
    assert set(hooks) == {"ruff-check", "ruff-format", "mypy", "lint-imports"}
    assert {hook["language"] for hook in hooks.values()} == {"system"}

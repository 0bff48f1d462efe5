"""Three runs in a row, as a schedule starts them, through one S3 server and one MLflow server.

The teacher is scripted and the student random, and neither can be promoted; so the judgements by which the
registry decides are made up here. All else that it decides by is each run's own: losses, rows, licences.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from gukbap.adapters.minio_store import MinioStore
from gukbap.config import StoreConfig
from gukbap.files import read_json, read_jsonl, write_json, write_jsonl
from gukbap.recipes import load_recipe
from gukbap.schemas import Row
from gukbap.workers.promote import run_promote
from gukbap.workers.rollback import roll_back
from tests.command import gukbap
from tests.servers import mlflow_server, seaweed_s3
from tests.stages.score_documents import judged
from tests.workers.growing import TEXTS

MODEL = "gukbap-smoke"
GAINS = [1.0, 2.0] * 6
BUNDLED = Path(__file__).parents[1] / "src" / "gukbap" / "data" / "seeds.jsonl"


@dataclass(frozen=True)
class Schedule:
    """A folder of runs, the seeds' place in the bucket, and the servers' variables."""

    folder: Path
    seeds: MinioStore
    environment: dict[str, str]

    def add_seeds(self, name: str, lines: Sequence[str]) -> None:
        """Put a file of seeds under the prefix that the runs read."""
        (self.folder / name).write_text("\n".join(lines) + "\n", "utf-8")
        self.seeds.put_file(self.folder / name, name)

    def run(self, name: str, *overrides: str) -> Path:
        """One run of the smoke recipe; returns its folder."""
        settings = [
            "data.store=s3://gukbap/data",
            "store.url=s3://gukbap/runs",
            "generate.seeds=s3://gukbap/seeds/",
            "generate.seed_count=null",
            "infer.strategies=[default]",
            "infer.subjects=[tuned]",
            # One step: with more, training itself notices a rate that is a thousand times too high, and ends.
            "train.gradient_accumulation=8",
            *overrides,
        ]
        given = [word for setting in settings for word in ("--set", setting)]
        done = gukbap("run", "smoke", "--run-id", name, *given, cwd=self.folder, **self.environment)
        assert done.returncode == 0, done.stderr
        return self.folder / "runs" / name

    def promote(self, run: Path, gains: Sequence[float], patch: pytest.MonkeyPatch) -> dict[str, Any]:
        """Have the registry decide on a run by its own evidence and made-up judgements."""
        folder = self.folder / f"{run.name}-judged"
        folder.mkdir()
        write_json(folder / "scores.json", {**read_json(run / "scores.json"), "scripted": False})
        write_jsonl(folder / "judged.jsonl", judged(gains))
        patch.setenv("GUKBAP_RUN_ID", run.name)
        settings = load_recipe("smoke").promote_settings()
        run_promote(
            settings.model_copy(update={"scripted": False}),
            scores=folder / "scores.json",
            judgements=[folder / "judged.jsonl"],
            model_uri=f"s3://gukbap/runs/{run.name}/model",
            model_sha256=None,
            decision=folder / "decision.json",
        )
        decision: dict[str, Any] = read_json(folder / "decision.json")
        return decision


@contextmanager
def scheduled(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Schedule]:
    with seaweed_s3() as s3, mlflow_server() as tracking:
        environment = {
            "MINIO_ENDPOINT": s3.endpoint,
            "MINIO_ACCESS_KEY": s3.access_key,
            "MINIO_SECRET_KEY": s3.secret_key,
            "MLFLOW_TRACKING_URI": tracking,
            "GUKBAP_CACHE": str(folder / "cache"),
        }
        for name, value in environment.items():
            patch.setenv(name, value)
        yield Schedule(folder, MinioStore.from_url(StoreConfig(url="s3://gukbap/seeds")), environment)


def made(run: Path) -> set[str]:
    """The ids of all rows that generation hands on."""
    return {row.id for row in read_jsonl(run / "dataset" / "generated.jsonl", Row)}


def answered(run: Path) -> set[str]:
    """The ids of the rows whose answers stand in a run's own journal."""
    [journal] = run.glob("work/generate-*/calls.jsonl")
    paid = journal.read_text("utf-8")
    rows = read_jsonl(run / "dataset" / "generated.jsonl", Row)
    return {row.id for row in rows if row.lineage.answer_call.key in paid}


def kept(run: Path) -> dict[str, Row]:
    return {row.id: row for row in read_jsonl(run / "dataset" / "deduplicated.jsonl", Row)}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.s3
@pytest.mark.mlflow
def test_three_scheduled_runs_grow_the_data_and_a_spoiled_training_does_not_become_the_champion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUKBAP_QUIET", "1")
    with scheduled(tmp_path, monkeypatch) as schedule:
        schedule.add_seeds("bundled.jsonl", BUNDLED.read_text("utf-8").splitlines()[::15])
        one = schedule.run("one")
        assert schedule.promote(one, GAINS, monkeypatch)["verdict"] == "promoted"

        feedback = [json.dumps({"instruction": text, "source": "feedback"}) for text in TEXTS[:3]]
        schedule.add_seeds("feedback-1.jsonl", feedback)
        two = schedule.run("two")
        assert answered(one) == made(one)
        assert answered(two) == made(two) - made(one)
        generated = read_json(two / "statistics" / "generate.json")
        assert (generated["seeds"], generated["seeds_known"]) == (3, 14)
        assert kept(one).items() <= kept(two).items()
        assert schedule.promote(two, [gain + 1 for gain in GAINS], monkeypatch)["verdict"] == "promoted"

        rate = load_recipe("smoke").train.learning_rate
        schedule.add_seeds("feedback-2.txt", TEXTS[3:])
        three = schedule.run("three", f"train.learning_rate={1000 * rate}")
        refused = schedule.promote(three, [gain + 2 for gain in GAINS], monkeypatch)
        assert refused["verdict"] == "refused"
        assert [check["name"] for check in refused["checks"] if check["verdict"] == "failed"] == [
            "validation loss"
        ]

        uri = schedule.environment["MLFLOW_TRACKING_URI"]
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        champion = client.get_model_version_by_alias(MODEL, "champion")
        assert champion.tags["kfp.run_id"] == "two"
        back = roll_back(uri, MODEL, None)
        assert (back.before, back.after) == (int(champion.version), int(champion.version) - 1)
        assert client.get_model_version_by_alias(MODEL, "champion").tags["kfp.run_id"] == "one"

        listed = gukbap("data", "list", "--json", "--store", "s3://gukbap/data", cwd=tmp_path)
        versions = json.loads(listed.stdout)["versions"]
        assert [one["run"] for one in versions] == ["one", "two", "three"]
        assert [one["parent"] for one in versions] == [None, *(one["version"] for one in versions[:2])]
        assert versions[-1]["rows"] == len(kept(three))
        shown = gukbap("data", "show", "latest", "--verify", "--store", "s3://gukbap/data", cwd=tmp_path)
        assert shown.returncode == 0, shown.stdout
        proven = gukbap("provenance", str(three), cwd=tmp_path)
        assert proven.returncode == 0, proven.stdout

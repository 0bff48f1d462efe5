"""Which checkpoint becomes the model: the rules alone, then real trainings that are killed and resumed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from gukbap.adapters.transformers_engine import TransformersEngine
from gukbap.config import TrainSettings
from gukbap.errors import ConfigError, GukbapError
from gukbap.files import read_json
from gukbap.ports import GenerationSettings
from gukbap.schemas import Message
from gukbap.stages.train import TrainResult
from gukbap.stages.train.dev_set import DevSet
from gukbap.stages.train.selection import chosen, stops
from gukbap.stages.train.watch import TrainingWatch
from tests.stages.train.examples import rows, settings, weights
from tests.stages.train.test_train import Killed, interrupt_at, kill, run


def points(*measured: tuple[float, float]) -> list[dict[str, Any]]:
    """Points of the untrained model (step 0), then of the steps 1, 2, …: dev score and validation loss."""
    return [
        {"step": step, "dev_score": score, "answer_loss": loss} for step, (score, loss) in enumerate(measured)
    ]


@pytest.mark.parametrize(
    ("rule", "measured", "step"),
    [
        ("dev_score", [(0.9, 1.0), (0.5, 0.8), (0.7, 0.9), (0.6, 0.1)], 2),
        ("dev_score", [(0.0, 2.0), (0.701, 0.8), (0.699, 0.7), (0.7, 0.9)], 2),
        ("dev_score", [(0.0, 2.0), (0.7, 0.8), (0.7, 0.8)], 1),
        ("validation_loss", [(0.0, 0.1), (0.9, 0.8), (0.1, 0.7), (0.9, 0.9)], 2),
        ("last", [(0.0, 2.0), (0.9, 0.8), (0.1, 0.9)], 2),
    ],
)
def test_the_chosen_step(rule: Any, measured: list[tuple[float, float]], step: int) -> None:
    assert chosen(points(*measured), rule)["step"] == step


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ([(0.9, 2.0), (0.5, 0.8)], False),
        ([(0.9, 2.0), (0.5, 0.8), (0.6, 0.8), (0.6, 0.7)], False),
        ([(0.0, 2.0), (0.5, 0.8), (0.5, 0.8), (0.4, 0.7)], True),
        ([(0.0, 2.0), (0.5, 0.8), (0.52, 0.9), (0.53, 0.9)], True),
        ([(0.0, 2.0), (0.5, 0.8), (0.4, 0.8), (0.6, 0.8), (0.6, 0.8)], False),
    ],
)
def test_early_stopping(measured: list[tuple[float, float]], expected: bool) -> None:
    train = settings(early_stopping_patience=2, early_stopping_min_delta=0.05).train
    assert stops(points(*measured), train) is expected
    assert not stops(points(*measured), settings().train)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sample_prompts": [], "dev_prompts": 0}, "needs sample_prompts or dev_prompts"),
        ({"selection": "last", "early_stopping_patience": 1}, "tells better from worse"),
    ],
)
def test_settings_that_leave_nothing_to_go_by(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        settings(**wrong)


SCORES = {0: 0.1, 2: 0.9, 4: 0.5, 6: 0.6}


def scripted() -> TrainSettings:
    """Three evaluations, of which the first is the best; fewer checkpoints are kept than lie between."""
    return settings(evaluate_every_steps=2, save_every_steps=3, keep_checkpoints=1)


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dev scores that a script gives, in place of the answers' own: a tiny random model gives none worth
    choosing by."""
    usual = TrainingWatch._evaluate
    now = {"step": 0}

    def evaluate(self: TrainingWatch, step: int, epoch: float) -> None:
        now["step"] = step
        usual(self, step, epoch)

    def answered(self: DevSet, model: Any, pause: object) -> dict[str, Any]:
        return {"dev_score": SCORES[now["step"]], "dev_rules": {}, "answers": []}

    monkeypatch.setattr(TrainingWatch, "_evaluate", evaluate)
    monkeypatch.setattr(DevSet, "answered", answered)


@pytest.fixture(scope="module")
def uninterrupted(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a training that nobody disturbs leaves: its result, and the weights of its best checkpoint."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        scores.__wrapped__(patch)  # type: ignore[attr-defined]  # the fixture's function
        result = run(base, folder, scripted())
    best = load_file(folder / "work" / "checkpoints" / "checkpoint-2" / "model.safetensors")
    return {"result": result, "best": best, "work": folder / "work"}


def is_chosen(result: TrainResult, whole: dict[str, Any]) -> bool:
    tuned = weights(result.model)
    return tuned.keys() == whole["best"].keys() and all(
        torch.equal(tuned[name], whole["best"][name]) for name in tuned
    )


def test_the_best_checkpoint_is_kept_and_exported(uninterrupted: dict[str, Any]) -> None:
    result = uninterrupted["result"]
    assert is_chosen(result, uninterrupted)
    statistics = result.statistics
    selection = statistics["selection"]
    assert (selection["rule"], selection["step"], selection["stopped_early"]) == ("dev_score", 2, False)
    assert [(one["step"], one["dev_score"]) for one in selection["evaluations"]] == list(SCORES.items())
    assert (statistics["base_dev_score"], statistics["dev_score"]) == (0.1, 0.9)
    at_two = next(one for one in selection["evaluations"] if one["step"] == 2)
    assert statistics["validation_loss"] == at_two["validation_loss"]
    assert statistics["steps"] == 6, "all of them were trained"
    assert read_json(result.model / "gukbap_model.json")["selection"] == selection


@pytest.mark.parametrize(
    ("method", "step"),
    [("on_log", 2), ("on_save", 2), ("on_step_end", 4), ("on_log", 4), ("on_save", 6), ("on_epoch_end", 6)],
)
@pytest.mark.usefixtures("scores")
def test_a_killed_training_chooses_the_same(
    base: Path,
    tmp_path: Path,
    uninterrupted: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    step: int,
) -> None:
    with monkeypatch.context() as patch:
        interrupt_at(patch, method, step, kill)
        with pytest.raises(Killed):
            run(base, tmp_path, scripted())
    resumed = run(base, tmp_path, scripted())
    assert is_chosen(resumed, uninterrupted)
    for key in ("selection", "history", "validation_loss"):
        assert resumed.statistics[key] == uninterrupted["result"].statistics[key], key


@pytest.mark.usefixtures("scores")
def test_a_best_checkpoint_that_is_damaged_is_made_again(
    base: Path, tmp_path: Path, uninterrupted: dict[str, Any]
) -> None:
    work = tmp_path / "work"
    shutil.copytree(uninterrupted["work"], work)
    broken = work / "checkpoints" / "checkpoint-2" / "model.safetensors"
    content = bytearray(broken.read_bytes())
    content[-1] ^= 1
    broken.write_bytes(content)
    with pytest.raises(GukbapError, match="checkpoint-2, which was to become the model, is damaged: model"):
        run(base, tmp_path, scripted())
    assert is_chosen(run(base, tmp_path, scripted()), uninterrupted)
    shutil.rmtree(tmp_path / "model")
    shutil.rmtree(broken.parent)
    assert is_chosen(run(base, tmp_path, scripted()), uninterrupted), "one that is gone, too"


@pytest.mark.usefixtures("scores")
def test_a_training_that_stopped_early_trains_no_further(
    base: Path, tmp_path: Path, uninterrupted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen_settings = scripted()
    train = chosen_settings.train.model_copy(update={"early_stopping_patience": 1})
    chosen_settings = chosen_settings.model_copy(update={"train": train})
    with monkeypatch.context() as patch:
        # After the last step, before the model is exported.
        patch.setattr("gukbap.stages.train.training.take_checkpoint", lambda *_: kill())
        with pytest.raises(Killed):
            run(base, tmp_path, chosen_settings)
    steps = []
    usual = TrainingWatch.on_step_end

    def counting(self: TrainingWatch, args: Any, state: Any, control: Any, **rest: Any) -> None:
        steps.append(state.global_step)
        usual(self, args, state, control, **rest)

    monkeypatch.setattr(TrainingWatch, "on_step_end", counting)
    resumed = run(base, tmp_path, chosen_settings)
    assert steps == []
    assert is_chosen(resumed, uninterrupted)
    assert resumed.statistics["selection"]["stopped_early"] and resumed.statistics["steps"] == 4


def test_without_a_choice_the_last_step_is_exported(base: Path, tmp_path: Path) -> None:
    """And nothing is saved for the sake of an evaluation, nor answered where there are no prompts."""
    last = settings(selection="last", sample_prompts=[], dev_prompts=0, save_every_steps=100)
    statistics = run(base, tmp_path, last).statistics
    assert statistics["selection"]["step"] == 6 and statistics["generations"] == []
    assert "dev_score" not in statistics
    assert [path.name for path in (tmp_path / "work" / "checkpoints").iterdir()] == ["checkpoint-6"]


def test_answers_of_an_evaluation_are_those_of_the_served_model(base: Path, tmp_path: Path) -> None:
    """Taken in the middle of a training, with dropout and checkpointing on, batched with other prompts."""
    last = settings(
        selection="last", dev_max_new_tokens=40, gradient_checkpointing=True, residual_dropout=0.3
    )
    result = run(base, tmp_path, last)
    (final,) = [one for one in result.statistics["generations"] if one["step"] == 6]
    questions = [answer["prompt"] for answer in final["answers"]]
    assert questions[:3] == last.train.sample_prompts and len(questions) > 3
    engine = TransformersEngine(result.model, "mistral-v0.2", "float32", 1, 256, "x")
    served = engine.generate(
        [[Message(role="user", content=text)] for text in questions], GenerationSettings(max_new_tokens=40)
    )
    for answer, completion in zip(final["answers"], served, strict=True):
        assert answer["answer"].strip() == completion.text
        assert answer["ended"] is (completion.finish_reason == "stop")


def test_dev_prompts_do_not_depend_on_the_order_of_rows(base: Path) -> None:
    from transformers import AutoTokenizer

    from gukbap.chat_templates import load_template
    from gukbap.stages.train.dev_set import dev_set
    from gukbap.stages.train.encoding import encode_rows

    template, tokenizer = load_template("mistral-v0.2"), AutoTokenizer.from_pretrained(base)
    some = [
        row.model_copy(update={"category": name})
        for row, name in zip(rows(12), ["수학", "글쓰기", "글쓰기"] * 4, strict=True)
    ]
    there = settings(dev_prompts=4, dev_max_new_tokens=60, sample_prompts=[])

    def drawn(given: list[Any], chosen_settings: TrainSettings) -> list[str | None]:
        examples = encode_rows(given, tokenizer, template, 256, "x").examples
        return [prompt.row_id for prompt in dev_set(chosen_settings, examples, tokenizer, template).prompts]

    found = drawn(some, there)
    assert found == drawn(some[::-1], there) and len(set(found)) == 4
    by_id = {row.id: row for row in some}
    assert sorted(by_id[name].category for name in found if name) == ["글쓰기", "글쓰기", "수학", "수학"]
    short = settings(dev_prompts=99, dev_max_new_tokens=40, sample_prompts=[])
    fits = {row.id for row in some if len(row.response.encode()) + 1 <= 40}
    assert 0 < len(fits) < 12 and set(drawn(some, short)) == fits
    with pytest.raises(ConfigError, match=r"\(40 tokens\) with an answer of 20"):
        dev_set(settings(max_length=40, dev_max_new_tokens=20), [], tokenizer, template)

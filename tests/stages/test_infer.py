"""Two-turn answering over a scripted generator: what it is asked, and what survives a kill."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gukbap.adapters.progress import SilentProgress
from gukbap.config import EvaluateConfig, InferConfig, InferSettings, StudentConfig
from gukbap.errors import InputError
from gukbap.journal import Journal
from gukbap.ports import Completion, GenerationSettings
from gukbap.schemas import CATEGORIES, Message, Question, Strategy
from gukbap.stages.infer import InferResult, infer

SHOTS: dict[Strategy, list[Message]] = {
    "default": [],
    "1-shot": [Message(role="user", content="예시 질문"), Message(role="assistant", content="예시 답변")],
}
QUESTIONS = [
    Question(
        id=number,
        category=CATEGORIES[number % 6],
        questions=[f"질문 {number} " + "가" * (number * 7 % 5), f"이어진 질문 {number}"],
        references=[None, None],
    )
    for number in range(1, 8)
]


class ScriptedGenerator:
    """Answers with the number of messages and the last question; may die after some batches."""

    def __init__(
        self,
        *,
        name: str = "model@1",
        batch_size: int = 3,
        dies_after: int | None = None,
        reply: Callable[[Sequence[Message]], Completion] | None = None,
    ) -> None:
        self.name, self.batch_size = name, batch_size
        self.batches: list[list[list[Message]]] = []
        self.settings: list[GenerationSettings] = []
        self._dies_after, self._reply = dies_after, reply or self._echo

    @staticmethod
    def _echo(messages: Sequence[Message]) -> Completion:
        return Completion(f"  답변({len(messages)}): {messages[-1].content}\n", "stop", 10, 5)

    def generate(
        self, conversations: Sequence[Sequence[Message]], settings: GenerationSettings
    ) -> list[Completion]:
        if len(self.batches) == self._dies_after:
            raise KeyboardInterrupt
        self.batches.append([list(messages) for messages in conversations])
        self.settings.append(settings)
        return [self._reply(messages) for messages in conversations]

    def close(self) -> None: ...


def settings_for(*strategies: Strategy, max_new_tokens: int = 64) -> InferSettings:
    return InferSettings(
        seed=3,
        student=StudentConfig(
            model="random://mistral-tiny?seed=7", chat_template="mistral-v0.2", max_length=512
        ),
        infer=InferConfig(strategies=list(strategies or ["default"]), max_new_tokens=max_new_tokens),
        evaluate=EvaluateConfig(),
        subject="tuned",
    )


def run(folder: Path, generator: ScriptedGenerator, settings: InferSettings | None = None) -> InferResult:
    with Journal(folder / "calls.jsonl") as journal:
        return infer(settings or settings_for(), QUESTIONS, SHOTS, generator, journal, SilentProgress())


def test_turn_two_sees_the_models_own_answer_and_the_few_shot_messages(tmp_path: Path) -> None:
    generator = ScriptedGenerator(batch_size=99)
    result = run(tmp_path, generator, settings_for("1-shot"))
    first, second = generator.batches
    assert [m.role for m in first[0]] == ["user", "assistant", "user"]
    for conversation in second:
        assert conversation[:2] == SHOTS["1-shot"]
        assert [m.role for m in conversation[2:]] == ["user", "assistant", "user"]
        assert conversation[3].content == f"답변(3): {conversation[2].content}".strip()
    assert [answer.question.id for answer in result.answers["1-shot"]] == [q.id for q in QUESTIONS]
    assert result.answers["1-shot"][0].outputs == ["답변(3): 질문 1 가가", "답변(5): 이어진 질문 1"]


def test_answers_are_stripped_nfc_and_carry_the_models_name(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", " 한국어 \n")
    generator = ScriptedGenerator(reply=lambda _: Completion(decomposed, "length", 4, 2))
    answer = run(tmp_path, generator).answers["default"][0]
    assert answer.outputs == ["한국어", "한국어"]
    assert (answer.model, answer.subject, answer.strategy) == ("model@1", "tuned", "default")
    assert answer.finish_reasons == ["length", "length"]


def test_settings_reach_the_generator_and_logickor_stop_strings_are_the_default(tmp_path: Path) -> None:
    generator = ScriptedGenerator()
    run(tmp_path, generator)
    assert generator.settings[0].max_new_tokens == 64
    assert generator.settings[0].temperature == 0
    assert generator.settings[0].seed == 3
    assert "[/INST]" in generator.settings[0].stop


def test_batches_are_bounded_and_hold_conversations_of_like_length(tmp_path: Path) -> None:
    generator = ScriptedGenerator(batch_size=3)
    run(tmp_path, generator)
    lengths = [[len(c[-1].content) for c in batch] for batch in generator.batches[:3]]
    assert [len(batch) for batch in lengths] == [3, 3, 1]
    in_order = [length for batch in lengths for length in batch]
    assert in_order == sorted(in_order, reverse=True)


def test_one_generator_serves_every_strategy_and_each_has_its_answers_and_statistics(tmp_path: Path) -> None:
    generator = ScriptedGenerator()
    result = run(tmp_path, generator, settings_for("1-shot", "default"))
    assert list(result.answers) == ["1-shot", "default"]
    for strategy, answers in result.answers.items():
        assert {answer.strategy for answer in answers} == {strategy}
        assert [answer.question for answer in answers] == QUESTIONS
        assert result.statistics["strategies"][strategy]["answers"] == 7
    assert result.statistics["answers"] == 14
    assert result.statistics["timing"]["generated_tokens"] == 2 * 14 * 5


def test_an_answer_does_not_depend_on_which_other_strategies_are_asked(tmp_path: Path) -> None:
    alone = ScriptedGenerator()
    answers = run(tmp_path / "alone", alone, settings_for("1-shot")).answers["1-shot"]
    together = ScriptedGenerator()
    result = run(tmp_path / "together", together, settings_for("default", "1-shot"))
    assert result.answers["1-shot"] == answers
    assert together.batches[-len(alone.batches) :] == alone.batches
    # The journal of the one strategy is used when others are asked beside it, and the other way round.
    more = ScriptedGenerator()
    run(tmp_path / "alone", more, settings_for("default", "1-shot"))
    assert more.batches == together.batches[: -len(alone.batches)]
    fewer = ScriptedGenerator()
    run(tmp_path / "together", fewer, settings_for("1-shot"))
    assert fewer.batches == []


@pytest.mark.parametrize("batches_before", range(12))
def test_killed_run_goes_on_and_ends_with_the_same_answers(tmp_path: Path, batches_before: int) -> None:
    settings = settings_for("default", "1-shot")
    whole = run(tmp_path / "whole", ScriptedGenerator(), settings).answers
    killed = ScriptedGenerator(dies_after=batches_before)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", killed, settings)
    resumed = ScriptedGenerator()
    assert run(tmp_path / "killed", resumed, settings).answers == whole
    assert len(killed.batches) + len(resumed.batches) == 12


def test_partly_journalled_batch_is_generated_whole_again(tmp_path: Path) -> None:
    uninterrupted = ScriptedGenerator()
    whole = run(tmp_path, uninterrupted).answers
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    resumed = ScriptedGenerator()
    assert run(tmp_path, resumed).answers == whole
    assert resumed.batches == uninterrupted.batches[1:]


def test_journal_of_another_model_or_setting_is_not_used(tmp_path: Path) -> None:
    run(tmp_path, ScriptedGenerator())
    other_model = ScriptedGenerator(name="model@2")
    run(tmp_path, other_model)
    other_setting = ScriptedGenerator()
    run(tmp_path, other_setting, settings_for(max_new_tokens=65))
    same = ScriptedGenerator()
    run(tmp_path, same)
    assert [len(g.batches) for g in (other_model, other_setting, same)] == [6, 6, 0]


def test_question_without_room_is_an_error_that_names_it(tmp_path: Path) -> None:
    generator = ScriptedGenerator(reply=lambda _: Completion("", "length", 512, 0))
    with pytest.raises(InputError, match=r"question \d+ takes 512 tokens .*default.*model length is 512"):
        run(tmp_path, generator)


def test_second_turn_without_room_is_an_empty_answer_that_did_not_stop(tmp_path: Path) -> None:
    def reply(messages: Sequence[Message]) -> Completion:
        if len(messages) == 1:
            return Completion("긴 답변", "length", 100, 400)
        return Completion("", "length", 600, 0)

    result = run(tmp_path, ScriptedGenerator(reply=reply))
    assert result.answers["default"][0].outputs == ["긴 답변", ""]
    assert result.statistics["strategies"]["default"]["turn_2"] == {
        "stopped_share": 0.0,
        "empty": 7,
        "mean_prompt_tokens": 600,
        "mean_completion_tokens": 0,
    }


def test_statistics_are_the_same_in_two_runs_except_for_timing(tmp_path: Path) -> None:
    first = run(tmp_path / "a", ScriptedGenerator()).statistics
    second = run(tmp_path / "b", ScriptedGenerator()).statistics
    assert first.pop("timing").keys() == second.pop("timing").keys()
    assert first == second
    assert first["answers"] == 7
    assert first["strategies"]["default"]["turn_1"]["stopped_share"] == 1.0


def test_strategy_that_the_file_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cot-1-shot"):
        run(tmp_path, ScriptedGenerator(), settings_for("cot-1-shot"))

"""What two models' scores must have in common before one is subtracted from the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gukbap.benchmarks import JudgeTemplates
from gukbap.files import canonical_json, sha256_text
from gukbap.schemas import Answer, Message, Question, Record, Strategy
from gukbap.stages.calls import messages_sha256
from gukbap.stages.judge.messages import judge_messages

#: shows the judge's rubric and every label around an answer; its own words mean nothing
_SAMPLE = Answer(
    question=Question(id=0, category="", questions=["1", "2"], references=["3", "4"]),
    subject="base",
    strategy="default",
    model="",
    outputs=["5", "6"],
    finish_reasons=["stop", "stop"],
    prompt_tokens=[],
    completion_tokens=[],
)


class EvaluationIdentity(Record):
    """Which questions were asked in which words, and by which rubric the answers were judged.

    The judge itself stands in every judgement. What a judge is sent holds the answer, so its hash
    (`Judgement.prompt_sha256`) differs between models; here it is everything but the answer.
    """

    #: over the questions that were asked, with their references, in the order of their ids
    questions_sha256: str
    #: strategy → over the messages that stand before a question
    strategies_sha256: dict[Strategy, str]
    #: over the rubric, the labels around an answer, and the length up to which it is shown
    rubric_sha256: str

    def differences(self, other: EvaluationIdentity, strategy: Strategy) -> list[str]:
        """What is not the same in both, in words; empty where scores under the strategy compare."""
        found = []
        if self.questions_sha256 != other.questions_sha256:
            found.append("the questions")
        if self.strategies_sha256.get(strategy) != other.strategies_sha256.get(strategy):
            found.append(f"the messages of the strategy {strategy}")
        if self.rubric_sha256 != other.rubric_sha256:
            found.append("the judge's rubric")
        return found


def evaluation_identity(
    questions: Sequence[Question],
    strategies: Mapping[Strategy, Sequence[Message]],
    templates: JudgeTemplates | None,
    max_answer_chars: int,
) -> EvaluationIdentity:
    """The identity of an evaluation.

    Args:
        questions: that were asked.
        strategies: strategy → messages before a question.
        templates: LogicKor's, where its pack is used.
        max_answer_chars: up to where an answer is shown to the judge.
    """
    asked = [question.model_dump(mode="json") for question in sorted(questions, key=lambda one: one.id)]
    shown = [messages_sha256(judge_messages(_SAMPLE, turn, max_answer_chars, templates)) for turn in (1, 2)]
    return EvaluationIdentity(
        questions_sha256=sha256_text(canonical_json(asked)),
        strategies_sha256={name: messages_sha256(messages) for name, messages in sorted(strategies.items())},
        rubric_sha256=sha256_text(canonical_json([*shown, max_answer_chars])),
    )

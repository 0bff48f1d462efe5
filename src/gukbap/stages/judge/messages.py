"""What the judge is sent: by this project's rubric, or by LogicKor's protocol where its pack is used."""

from __future__ import annotations

import re
from typing import Literal

from gukbap.benchmarks import JudgeTemplates
from gukbap.prompts import prompt
from gukbap.schemas import Answer, Message

Turn = Literal[1, 2]

EMPTY_MARK = "(답변이 비어 있음)"
CUT_MARK = "… (이하 생략: 답변이 너무 길어 여기서 잘림)"
LAST_LINE = "[[대화 끝. 이제 평가와 점수 두 줄로 채점하세요.]]"
#: Opens the user message as LogicKor's fixed instruction line does (method facts, "LogicKor judging"), in
#: words of our own: upstream's stand in its code and not in its templates, so no pack holds them.
LOGICKOR_FIRST_LINE = "다음 대화를 기준에 따라 채점하세요."
LOGICKOR_LAST_LINE = "[[대화 종료. 평가 시작.]]"

_TAG = re.compile(r"<(?=\s*/?\s*답변)")
_SCORE_LABEL = re.compile(r"(점\**수)(\**:)")


def judge_messages(
    answer: Answer, turn: Turn, max_answer_chars: int, templates: JudgeTemplates | None = None
) -> list[Message]:
    """What the judge sees: the constant rubric first (servers cache it), then the conversation.

    Args:
        answer: both turns of an answer.
        turn: which one is judged; for turn 2 the first is shown, too.
        max_answer_chars: an answer is shown up to here; a cut is marked.
        templates: LogicKor's, from an imported pack: then its parts, labels and order are taken to the
            letter and answers are shown as they are. Without them this project's own rubric is used.
    """
    if templates is None:
        return _own(answer, turn, max_answer_chars)
    return _logickor(answer, turn, max_answer_chars, templates)


def _own(answer: Answer, turn: Turn, max_answer_chars: int) -> list[Message]:
    parts = ["다음 대화를 보고 채점하세요."]
    for index in range(turn):
        follow_up = index == 1
        parts.append(f"**{'이어진 질문' if follow_up else '질문'}**\n{answer.question.questions[index]}")
        reference = answer.question.references[index]
        if reference:
            parts.append(f"**참고 답안**\n{reference}")
        shown = shown_answer(answer.outputs[index], max_answer_chars)
        parts.append(f"**모델의 답변**\n<답변>\n{shown}\n</답변>")
    parts.append(LAST_LINE)
    return _messages(prompt("judge/single" if turn == 1 else "judge/multi"), parts)


def _logickor(answer: Answer, turn: Turn, max_answer_chars: int, templates: JudgeTemplates) -> list[Message]:
    parts = [LOGICKOR_FIRST_LINE]
    for index in range(turn):
        label = "**Follow-up Question.**" if index == 1 else "**Question**"
        parts.append(f"{label}\n{answer.question.questions[index]}")
        reference = answer.question.references[index]
        if reference:
            parts.append(f"**Additional Reference**\n{reference}")
        parts.append(f"**Model's Response**\n{_cut(answer.outputs[index], max_answer_chars)}")
    parts.append(LOGICKOR_LAST_LINE)
    return _messages(templates.single_turn if turn == 1 else templates.multi_turn, parts)


def _messages(rubric: str, parts: list[str]) -> list[Message]:
    return [Message(role="system", content=rubric), Message(role="user", content="\n\n".join(parts))]


def shown_answer(text: str, max_chars: int) -> str:
    """An answer as the judge sees it: it cannot leave its frame, nor can a quotation of it pass for a score.

    An answer that writes "</답변>" or "점수: 10" would otherwise end its own frame, or be found first
    in a reply that quotes it. One sign is changed in each: ＜ for <, and "점수 :" for "점수:".
    """
    if not text.strip():
        return EMPTY_MARK
    return _SCORE_LABEL.sub(r"\1 \2", _TAG.sub("＜", _cut(text, max_chars)))


def _cut(text: str, max_chars: int) -> str:
    return text if len(text) <= max_chars else f"{text[:max_chars]}\n{CUT_MARK}"

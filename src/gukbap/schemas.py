"""The records that stages hand to each other, one JSON object a line."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Role = Literal["system", "user", "assistant"]
Subject = Literal["base", "tuned"]
Strategy = Literal["default", "1-shot", "cot-1-shot"]
OperationName = Literal["constraints", "deepen", "concretize", "reasoning", "complicate", "breadth"]

SEED_CATEGORIES = ("reasoning", "math", "writing", "coding", "understanding", "grammar", "everyday")
#: LogicKor's category names, in the order of its tables.
CATEGORIES = (
    "추론(Reasoning)",
    "수학(Math)",
    "글쓰기(Writing)",
    "코딩(Coding)",
    "이해(Understanding)",
    "문법(Grammar)",
)
STRATEGIES: tuple[Strategy, ...] = ("default", "1-shot", "cot-1-shot")
SUBJECTS: tuple[Subject, ...] = ("base", "tuned")


def _normalised(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _filled(text: str) -> str:
    if not text.strip():
        raise ValueError("the text is empty")
    return text


#: Any text, kept in Unicode normal form C.
Text = Annotated[str, AfterValidator(_normalised)]
#: Text with at least one visible character.
FilledText = Annotated[str, AfterValidator(_normalised), AfterValidator(_filled)]


class Record(BaseModel):
    """A line of a JSON Lines file: fields are fixed, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Message(Record):
    """One message of a conversation."""

    role: Role
    content: Text


class Seed(Record):
    """An instruction from which evolution starts."""

    id: str = Field(min_length=1)
    category: str = Field(min_length=1)
    instruction: FilledText
    #: where it was had, for example "feedback", as its file says
    source: str | None = None


class Teacher(Record):
    """The model that wrote a text, and by what right others may be trained from it."""

    model: str = Field(min_length=1)
    #: of the weights: a commit as the recipe states it, or sha256:… of the file; None where it is not known
    revision: str | None = None
    #: of the weights, as the catalogue or the recipe states it
    licence: str = Field(min_length=1)


class Call(Record):
    """A teacher's call and what was read out of its reply."""

    #: of the journal's entry, which holds the whole reply and its time
    key: str
    #: the server that replied; None: the run's own machine
    host: str | None = None
    #: SHA-256 of the messages that were sent, as canonical JSON
    prompt_sha256: str
    #: SHA-256 of the instruction or answer as it stands in the row
    text_sha256: str
    temperature: float
    top_p: float
    max_tokens: int
    seed: int


class Lineage(Record):
    """Where a row comes from: its seed, its parent, and the model calls that made it."""

    seed_id: str
    parent_id: str | None = None
    #: SHA-256 of the instruction that was evolved; None for a seed
    parent_sha256: str | None = None
    operation: OperationName | None = None
    round: int = Field(ge=0)
    teacher: Teacher
    #: the call that wrote the instruction; None for a seed
    instruction_call: Call | None = None
    answer_call: Call
    #: version of this package that wrote the row
    version: str


class Row(Record):
    """A training row: a conversation that ends with an assistant message, and its lineage."""

    id: str = Field(min_length=1)
    category: str
    messages: list[Message] = Field(min_length=2)
    lineage: Lineage

    @property
    def instruction(self) -> str:
        """The first user message."""
        for message in self.messages:
            if message.role == "user":
                return message.content
        raise ValueError(f"row {self.id} has no user message")

    @property
    def response(self) -> str:
        """The last assistant message."""
        return self.messages[-1].content


class Dropped(Record):
    """A candidate that did not become a row, and why."""

    id: str
    category: str
    round: int
    operation: OperationName | None
    reason: str
    instruction: Text
    response: Text | None = None


class Removed(Record):
    """A row that near-dedup removed: which row stays in its place, and how alike they are."""

    row: Row
    keeper_id: str
    #: Jaccard similarity of the shingles of the two texts that `reason` names, 0–1
    similarity: float
    #: 1 − Levenshtein distance / longer text of the same, 0–1
    edit_similarity: float
    reason: str


LeakMeasure = Literal["overlap", "edit", "clauses"]


class EvaluationText(Record):
    """A text of an evaluation that must not stand in training rows."""

    #: for example "offline-pack question 3 turn 1"
    id: str = Field(min_length=1)
    text: Text


class Leak(Record):
    """Which evaluation text a row holds, and how much of it; see stages.clean.leaks for the measures."""

    text_id: str
    #: number of the row's message that holds it, from 1
    message: int
    #: the highest of the three
    measure: LeakMeasure
    overlap: float
    edit: float
    clauses: float

    @property
    def score(self) -> float:
        """The highest measure, 0–1."""
        return max(self.overlap, self.edit, self.clauses)


class Excluded(Record):
    """A row that cleaning took out, and why: `reason` is a stable key, `detail` what was found."""

    row: Row
    reason: str
    detail: Text
    #: where the reason is a leak
    leak: Leak | None = None


class Question(Record):
    """A two-turn evaluation question in LogicKor's shape."""

    id: int
    category: str
    questions: list[FilledText] = Field(min_length=2, max_length=2)
    references: list[Text | None] = Field(min_length=2, max_length=2)


class Answer(Record):
    """A model's two answers to a question under one prompt strategy."""

    question: Question
    subject: Subject
    strategy: Strategy
    model: str
    outputs: list[Text] = Field(min_length=2, max_length=2)
    #: "stop" where the model ended by itself, "length" where the limit cut it
    finish_reasons: list[Literal["stop", "length"]] = Field(min_length=2, max_length=2)
    prompt_tokens: list[int]
    completion_tokens: list[int]


class Judgement(Record):
    """A judge's verdict on one turn of an answer. `score` is None where no score could be had."""

    question_id: int
    category: str
    #: base, tuned, or the name of another model whose judged answers were read from elsewhere
    subject: str = Field(min_length=1)
    strategy: str = Field(min_length=1)
    turn: Literal[1, 2]
    #: which of several verdicts on the same turn, from 1
    sample: int = Field(1, ge=1)
    #: how many questions were asked in this evaluation; a file with fewer lacks some
    asked: int = Field(ge=1)
    judge: str
    #: 0–10, as LogicKor's rubric has it
    score: float | None = Field(ge=0, le=10)
    #: why there is no score; None where there is one
    unscored_reason: str | None = None
    #: the score is a zero that LogicKor's evaluator writes where its judge failed (benchmarks.evaluated)
    invented: bool = False
    comment: Text
    raw_reply: Text
    #: SHA-256 of the messages that the judge was sent; None where that is not known
    prompt_sha256: str | None = None
    #: calls that this verdict took, replies without a usable score included; None where not known
    calls: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    #: what those tokens cost at the prices of the judge's endpoint; None where it names none
    cost: float | None = None
    #: what was asked in this turn, and the answer that was judged
    question: Text
    answer: Text
    #: whether the judged answer ended by itself; None where that is not known
    stopped: bool | None

    @property
    def slot(self) -> tuple[int, int]:
        """The question and the turn that are judged."""
        return self.question_id, self.turn

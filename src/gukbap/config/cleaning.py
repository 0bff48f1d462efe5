"""Which rows are taken out before near-dedup: those that leak the evaluation, and those of bad form."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gukbap.config.base import Section
from gukbap.config.data import REFUSAL_MAX_WORDS

PersonalData = Literal["resident_number", "card", "phone", "email", "account"]


class CleanConfig(Section):
    """Decontamination, and quality filters of which each can be turned off."""

    decontaminate: bool = Field(
        True,
        description="take out rows that hold a question, a reference or a few-shot example of evaluate.pack, "
        "in whatever words",
    )
    benchmarks: list[str] = Field(
        default_factory=list,
        description="further evaluations that must not be in the data: pack folders, JSON Lines (every text "
        "in every line) or .txt (a text a line); also s3://bucket/key, hf://datasets/ORG/NAME@REVISION/FILE",
    )
    similarity: float = Field(
        0.65,
        gt=0,
        le=1,
        description="share of an evaluation text from which a row counts as holding it (stages.clean.leaks)",
    )
    language: bool = Field(
        True, description="answers in another language to Korean questions that do not ask for one"
    )
    min_hangul_share: float = Field(
        0.0,
        ge=0,
        le=1,
        description="least share of Hangul among the letters of such answers; code, quotations and names do "
        "not count. 0: only what the filter `language` says",
    )
    repetition: bool = Field(True, description="texts that go round in circles")
    refusal_max_words: int = Field(
        REFUSAL_MAX_WORDS,
        ge=0,
        description="answers of fewer eojeol that decline; 0: refusals stay",
    )
    truncation: bool = Field(
        True, description="answers that end in an open code block or with a word that nothing can end with"
    )
    markup: bool = Field(
        True, description="tokens of chat templates, unfilled place holders, labels of prompts, HTML entities"
    )
    personal_data: list[PersonalData] = Field(
        ["resident_number", "card"],
        description="personal data that a row must not hold; numbers with a check digit count when it is "
        "right. phone, email and account meet made-up ones of letters and forms, too",
    )
    min_tokens: int | None = Field(
        None, ge=1, description="least tokens of a row's messages, by the student's tokenizer"
    )
    max_tokens: int | None = Field(
        None, ge=1, description="most tokens of a row's messages; train.over_length shortens instead"
    )
    toxic_words: str | None = Field(
        None,
        description="a file of words, one a line, at whose sight a row goes: a path, s3:// or hf://; none is "
        "shipped",
    )

    @model_validator(mode="after")
    def _bounds_leave_room(self) -> CleanConfig:
        if self.min_tokens and self.max_tokens and self.min_tokens > self.max_tokens:
            raise ValueError(
                f"min_tokens ({self.min_tokens}) is over max_tokens ({self.max_tokens}): no row fits"
            )
        return self

    @property
    def counts_tokens(self) -> bool:
        """Whether the student's tokenizer is needed."""
        return self.min_tokens is not None or self.max_tokens is not None

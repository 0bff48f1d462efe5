"""How the data set is made: Evol-Instruct, budget, near-dedup, split."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from gukbap.config.base import Section
from gukbap.config.weakness import MOST_ROUNDS, WeaknessConfig

#: a shorter refusal is dropped (Evol-Instruct, arXiv 2304.12244: 80 words)
REFUSAL_MAX_WORDS = 80


class GenerateConfig(Section):
    """Evol-Instruct (WizardLM, arXiv 2304.12244): rounds of in-depth and in-breadth evolving."""

    seeds: str = Field(
        "bundled://seeds",
        description="bundled://seeds, a file (.jsonl, .csv or .txt) or a folder of such, s3://bucket/key of "
        "a file, s3://bucket/prefix/ of many, or hf://datasets/ORG/NAME@REVISION/FILE of one on the hub",
    )
    seed_count: int | None = Field(
        None, ge=1, description="how many seeds, drawn evenly over the categories; all when null"
    )
    seed_quota: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default_factory=dict, description="instead of seed_count: category → how many of its seeds"
    )
    category_weights: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="category → its share of seed_count against an even one (2: twice as many); 1 for those "
        "that are not named",
    )
    default_category: str = Field("everyday", min_length=1, description="of seeds that name no category")
    rounds: int = Field(
        4, ge=0, le=MOST_ROUNDS, description="evolution rounds (paper: 4); 0 answers the seeds only"
    )
    category_rounds: dict[str, Annotated[int, Field(ge=0, le=MOST_ROUNDS)]] = Field(
        default_factory=dict, description="category → its evolution rounds in place of `rounds`"
    )
    weakness: WeaknessConfig = WeaknessConfig()
    breadth_share: float = Field(
        1 / 6,
        ge=0,
        le=1,
        description="share of in-breadth evolution; five in-depth operations share the rest (1/6: all alike)",
    )
    answer_seeds: bool = Field(True, description="answer the seeds themselves too")
    max_rows: int | None = Field(None, ge=1, description="stop when so many rows are kept")
    temperature: float = Field(1.0, ge=0, le=2)
    top_p: float = Field(0.95, gt=0, le=1)
    evolve_max_tokens: int = Field(2048, ge=16)
    answer_max_tokens: int = Field(2048, ge=16)
    min_hangul_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="least share of Hangul among a text's letters (coding: half of it)",
    )
    max_instruction_chars: int = Field(4000, ge=20)
    refusal_max_words: int = Field(
        REFUSAL_MAX_WORDS,
        ge=1,
        description="a refusal shorter than this many eojeol is dropped (paper: 80 words)",
    )
    keep_truncated: bool = Field(
        False, description="keep answers that hit answer_max_tokens; off, they are dropped with a reason"
    )

    @model_validator(mode="after")
    def _one_way_to_draw(self) -> GenerateConfig:
        if self.seed_quota and self.seed_count is not None:
            raise ValueError("seed_count and seed_quota are two ways to draw seeds; set one of them to null")
        if self.category_weights and self.seed_count is None:
            raise ValueError("category_weights share out seed_count, which is null; say how many seeds")
        return self

    @model_validator(mode="after")
    def _weakness_has_something_to_do(self) -> GenerateConfig:
        if not self.weakness.enabled:
            return self
        if self.category_weights or self.category_rounds or self.seed_quota:
            raise ValueError(
                "weakness.enabled settles the categories' weights and rounds; leave category_weights, "
                "category_rounds and seed_quota out, or set weakness.enabled to false"
            )
        if self.seed_count is None and not self.weakness.extra_rounds:
            raise ValueError(
                "weakness.enabled has nothing to do: all seeds are taken (seed_count is null), and "
                "weakness.extra_rounds is 0"
            )
        return self

    def rounds_of(self, category: str) -> int:
        """How many rounds of evolution a category's instructions go through."""
        return self.category_rounds.get(category, self.rounds)

    @property
    def most_rounds(self) -> int:
        """Of any category."""
        return max([self.rounds, *self.category_rounds.values()])

    def candidates(self, category: str) -> int:
        """How many rows a seed of the category comes to, where none is dropped."""
        return self.rounds_of(category) + int(self.answer_seeds)


class BudgetConfig(Section):
    """What generation may spend in a run; a resumed run counts what it spent before.

    A call begins only where the most that it can take still fits: the limits are kept, and calls under
    way end and are kept, too.
    """

    max_requests: int | None = Field(None, description="calls to the teacher, tries that failed included")
    max_tokens: int | None = Field(None, description="of prompts and replies together")
    max_cost: float | None = Field(
        None, description="in the currency of teacher.prompt_price and teacher.completion_price"
    )

    @field_validator("max_requests", "max_tokens", "max_cost")
    @classmethod
    def _something(cls, limit: float | None) -> float | None:
        if limit is not None and limit <= 0:
            raise ValueError("no call fits into that budget; give more, or null for no limit")
        return limit


class DedupConfig(Section):
    """Near-dedup over character shingles: MinHash proposes pairs, each of which is compared exactly."""

    instructions: Literal["near", "same", "off"] = Field(
        "near",
        description="of rows whose instructions are near-duplicates (near), or the same but for case, "
        "spaces and punctuation (same), one stays; off: instructions do not matter",
    )
    responses: Literal["near", "same", "off"] = Field("same", description="the same for responses")
    min_response_chars: int = Field(
        30, ge=1, description='letters and digits; a shorter response ("네, 맞습니다.") may be right for many'
    )
    keep: Literal["complexity", "length", "earliest"] = Field(
        "complexity",
        description="which row of near-duplicates stays: the one with most rounds of evolution, the one "
        "with the longest response, or the one with fewest rounds; ties go by the other two, then by content",
    )
    shingle_chars: int = Field(3, ge=1, le=8, description="characters of a shingle")
    similarity: float = Field(
        0.84,
        gt=0,
        le=1,
        description="edit similarity (1 − Levenshtein distance / longer text, without spaces and "
        "punctuation) from which two texts may be near-duplicates",
    )
    jaccard: float = Field(
        0.4, gt=0, le=1, description="Jaccard similarity of shingles that near-duplicates have at least"
    )
    rearranged_similarity: float = Field(
        0.9,
        gt=0,
        le=1,
        description="edit similarity of the sorted stems from which texts may be near-duplicates whose "
        "clauses stand in another order",
    )
    rearranged_jaccard: float = Field(
        0.65, gt=0, le=1, description="Jaccard similarity of shingles that these have at least"
    )
    words_a_noun: int = Field(
        40, ge=1, description="a noun in place of another makes another task unless there are so many words"
    )
    words_a_change: int = Field(
        5, ge=1, description="so do other changed words of content, unless there are so many words for each"
    )
    candidate_jaccard: float = Field(
        0.5, gt=0, lt=1, description="Jaccard similarity for which candidate_recall holds"
    )
    candidate_recall: float = Field(
        0.8, gt=0, lt=1, description="share of such pairs that MinHash proposes; sets the number of bands"
    )
    band_rows: int = Field(
        4, ge=1, le=16, description="minima a band; more make fewer false candidates and need more bands"
    )
    bucket_rows: int = Field(
        16, ge=1, description="rows of one band's bucket that a further row is compared with, best first"
    )
    workers: int | None = Field(
        None, ge=1, description="processes; null: as many as there are cores. The result is the same"
    )

    @property
    def bands(self) -> int:
        """How many bands reach the wanted recall: least b with 1 − (1 − J^r)^b ≥ recall."""
        miss = math.log1p(-(self.candidate_jaccard**self.band_rows))
        return math.ceil(math.log1p(-self.candidate_recall) / miss)


class SplitConfig(Section):
    """Whole families of rows validate, so that nothing alike stands on both sides."""

    validation_rows: int = Field(200, ge=1, description="at least so many rows, whole families (card: 200)")
    exact: bool = Field(
        False,
        description="exactly validation_rows validate, and what is too many of the last family is left out; "
        "off, no row is lost",
    )
    train_rows: int | None = Field(
        None,
        ge=1,
        description="exactly so many rows train, further ones are left out; all when null (card: 1,849)",
    )
    similarity: float | None = Field(
        0.5,
        gt=0,
        le=1,
        description="rows of different seeds whose instructions reach this Jaccard similarity of "
        "3-character shingles stand on one side; null: seeds and parents alone decide",
    )

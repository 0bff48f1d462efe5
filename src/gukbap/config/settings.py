"""What each stage depends on: its part of the recipe, and nothing else."""

from __future__ import annotations

from pydantic import Field

from gukbap.config.base import Section
from gukbap.config.cleaning import CleanConfig
from gukbap.config.data import BudgetConfig, DedupConfig, GenerateConfig, SplitConfig
from gukbap.config.endpoints import Endpoint
from gukbap.config.evaluation import EvaluateConfig, InferConfig, JudgeConfig, PromoteConfig
from gukbap.config.training import StudentConfig, TrainConfig
from gukbap.config.versions import DataSource
from gukbap.schemas import Strategy, Subject


class StageSettings(Section):
    """What every stage depends on."""

    step: str = Field(description="the step's name in the pipeline, for example judge-tuned-1-shot")
    seed: int
    edition: str = Field(
        "",
        description="sets apart work that is equal in everything else: a scheduled run's own data, or the "
        "rebuilding of an artifact that is gone; part of every cache key and journal",
    )


class GenerateSettings(StageSettings):
    """What the generate stage depends on."""

    step: str = "generate"
    teacher: Endpoint
    generate: GenerateConfig
    budget: BudgetConfig = BudgetConfig()
    data: DataSource | None = Field(None, description="the data set that grows; null: none does")


class CleanSettings(StageSettings):
    """What the clean stage depends on."""

    step: str = "clean"
    clean: CleanConfig
    pack: str = Field(EvaluateConfig().pack, description="the evaluation that must not be in the data")
    strategies_file: str | None = Field(None, description="its few-shot examples, as evaluate has them")
    student: StudentConfig | None = Field(None, description="whose tokenizer counts, where tokens are bound")


class DedupSettings(StageSettings):
    """What the dedup stage depends on."""

    step: str = "dedup"
    dedup: DedupConfig
    data: DataSource | None = Field(None, description="the data set that grows; null: none does")


class SplitSettings(StageSettings):
    """What the split stage depends on."""

    step: str = "split"
    split: SplitConfig


class TrainSettings(StageSettings):
    """What the train stage depends on."""

    step: str = "train"
    student: StudentConfig
    train: TrainConfig


class InferSettings(StageSettings):
    """What one infer step depends on: one subject under every strategy of `infer.strategies`."""

    step: str = "infer"
    student: StudentConfig
    infer: InferConfig
    evaluate: EvaluateConfig
    subject: Subject

    @property
    def strategies(self) -> list[Strategy]:
        """The prompt strategies that are asked, in the order in which they are."""
        return self.infer.strategies


class JudgeSettings(StageSettings):
    """What one judge step depends on."""

    step: str = "judge"
    judge: JudgeConfig
    pack: str = Field(
        EvaluateConfig().pack, description="a pack with judge templates of its own is judged by them"
    )


class PromoteSettings(StageSettings):
    """What the promote stage depends on."""

    step: str = "promote"
    registered_model: str
    promote: PromoteConfig
    scripted: bool
    rejudging: JudgeSettings | None = Field(
        None, description="the judge that a champion's stored answers are given to; null: none is"
    )

"""What each stage depends on: its part of the recipe, and nothing else."""

from __future__ import annotations

from gukbap.config.base import Section
from gukbap.config.data import DedupConfig, Endpoint, GenerateConfig, SplitConfig
from gukbap.config.evaluation import EvaluateConfig, InferConfig, JudgeConfig, PromoteConfig
from gukbap.config.training import StudentConfig, TrainConfig
from gukbap.schemas import Strategy, Subject


class GenerateSettings(Section):
    """What the generate stage depends on."""

    seed: int
    teacher: Endpoint
    generate: GenerateConfig


class DedupSettings(Section):
    """What the dedup stage depends on."""

    seed: int
    dedup: DedupConfig


class SplitSettings(Section):
    """What the split stage depends on."""

    seed: int
    split: SplitConfig


class TrainSettings(Section):
    """What the train stage depends on."""

    seed: int
    student: StudentConfig
    train: TrainConfig


class InferSettings(Section):
    """What one infer step depends on."""

    seed: int
    student: StudentConfig
    infer: InferConfig
    evaluate: EvaluateConfig
    subject: Subject
    strategy: Strategy


class JudgeSettings(Section):
    """What one judge step depends on."""

    seed: int
    judge: JudgeConfig


class PromoteSettings(Section):
    """What the promote stage depends on."""

    seed: int
    registered_model: str
    promote: PromoteConfig
    scripted: bool

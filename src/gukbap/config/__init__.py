"""A recipe: everything that a run depends on. Each default exists here and nowhere else."""

from __future__ import annotations

from gukbap.config.base import Section, settings_text
from gukbap.config.cleaning import CleanConfig
from gukbap.config.data import (
    BudgetConfig,
    DedupConfig,
    GenerateConfig,
    SplitConfig,
)
from gukbap.config.endpoints import Endpoint, VllmServer
from gukbap.config.evaluation import (
    LOGICKOR_STOP,
    PUBLISHED,
    BaselineConfig,
    EvaluateConfig,
    InferConfig,
    JudgeConfig,
    PromoteConfig,
    ReportConfig,
)
from gukbap.config.health import HealthConfig
from gukbap.config.openness import host_of, states_licence, why_private
from gukbap.config.platform import (
    IMAGE_GROUP,
    IMAGE_HOME,
    IMAGE_USER,
    ClusterConfig,
    RetryConfig,
    ScheduleConfig,
    StepResources,
    StoreConfig,
    Toleration,
    TrackingConfig,
)
from gukbap.config.protocol import answer_length, deviations, model_length
from gukbap.config.recipe import NAME_PREFIX, Recipe, pipeline_name
from gukbap.config.retention import RetentionConfig
from gukbap.config.settings import (
    CleanSettings,
    DedupSettings,
    GenerateSettings,
    InferSettings,
    JudgeSettings,
    PromoteSettings,
    SplitSettings,
    StageSettings,
    TrainSettings,
)
from gukbap.config.training import (
    MODEL_REFERENCE,
    LoraConfig,
    OverLength,
    SelectionRule,
    StudentConfig,
    TrainConfig,
)
from gukbap.config.versions import DataConfig, DataSource
from gukbap.config.weakness import MOST_ROUNDS, WeaknessConfig

__all__ = [
    "IMAGE_GROUP",
    "IMAGE_HOME",
    "IMAGE_USER",
    "LOGICKOR_STOP",
    "MODEL_REFERENCE",
    "MOST_ROUNDS",
    "NAME_PREFIX",
    "PUBLISHED",
    "BaselineConfig",
    "BudgetConfig",
    "CleanConfig",
    "CleanSettings",
    "ClusterConfig",
    "DataConfig",
    "DataSource",
    "DedupConfig",
    "DedupSettings",
    "Endpoint",
    "EvaluateConfig",
    "GenerateConfig",
    "GenerateSettings",
    "HealthConfig",
    "InferConfig",
    "InferSettings",
    "JudgeConfig",
    "JudgeSettings",
    "LoraConfig",
    "OverLength",
    "PromoteConfig",
    "PromoteSettings",
    "Recipe",
    "ReportConfig",
    "RetentionConfig",
    "RetryConfig",
    "ScheduleConfig",
    "Section",
    "SelectionRule",
    "SplitConfig",
    "SplitSettings",
    "StageSettings",
    "StepResources",
    "StoreConfig",
    "StudentConfig",
    "Toleration",
    "TrackingConfig",
    "TrainConfig",
    "TrainSettings",
    "VllmServer",
    "WeaknessConfig",
    "answer_length",
    "deviations",
    "host_of",
    "model_length",
    "pipeline_name",
    "settings_text",
    "states_licence",
    "why_private",
]

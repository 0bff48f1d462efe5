"""The whole recipe."""

from __future__ import annotations

from pydantic import Field, model_validator

from gukbap.config.base import Section
from gukbap.config.cleaning import CleanConfig
from gukbap.config.data import BudgetConfig, DedupConfig, GenerateConfig, SplitConfig
from gukbap.config.endpoints import Endpoint
from gukbap.config.evaluation import EvaluateConfig, InferConfig, JudgeConfig, PromoteConfig, ReportConfig
from gukbap.config.health import HealthConfig
from gukbap.config.openness import host_of, states_licence, why_private
from gukbap.config.platform import ClusterConfig, ScheduleConfig, StoreConfig, TrackingConfig
from gukbap.config.protocol import answer_length, deviations, model_length
from gukbap.config.retention import RetentionConfig
from gukbap.config.settings import (
    CleanSettings,
    DedupSettings,
    GenerateSettings,
    InferSettings,
    JudgeSettings,
    PromoteSettings,
    SplitSettings,
    TrainSettings,
)
from gukbap.config.training import StudentConfig, TrainConfig
from gukbap.config.versions import DataConfig, DataSource
from gukbap.files import canonical_json, sha256_text
from gukbap.schemas import Strategy, Subject

#: what the name of every pipeline and registered model of this project begins with
NAME_PREFIX = "gukbap-"


def pipeline_name(recipe: str) -> str:
    """The name under which a recipe's pipeline, and the model that it trains, are registered."""
    return recipe if recipe.startswith(NAME_PREFIX) else f"{NAME_PREFIX}{recipe}"


class Recipe(Section):
    """A whole run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")
    description: str = ""
    seed: int = Field(42, ge=0, lt=2**31)
    teacher: Endpoint
    data: DataConfig = DataConfig()
    generate: GenerateConfig = GenerateConfig()
    budget: BudgetConfig = BudgetConfig()
    clean: CleanConfig = CleanConfig()
    dedup: DedupConfig = DedupConfig()
    split: SplitConfig = SplitConfig()
    student: StudentConfig
    train: TrainConfig = TrainConfig()
    infer: InferConfig = InferConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    judge: JudgeConfig
    report: ReportConfig = ReportConfig()
    tracking: TrackingConfig = TrackingConfig()
    store: StoreConfig = StoreConfig()
    promote: PromoteConfig = PromoteConfig()
    health: HealthConfig = HealthConfig()
    retention: RetentionConfig = RetentionConfig()
    cluster: ClusterConfig = ClusterConfig()
    schedule: ScheduleConfig | None = Field(None, description="scheduled retraining; null: none")
    card_facts: dict[str, str] = Field(
        default_factory=dict, description="published facts that no setting holds, for the model card"
    )

    @model_validator(mode="after")
    def _judge_is_not_teacher(self) -> Recipe:
        if self.judge_is_teacher and not self.judge.allow_teacher_as_judge:
            raise ValueError(
                f"judge.endpoint.model ({self.judge.endpoint.model}) is the teacher ({self.teacher.model}): "
                "a model must not judge what it taught; choose another judge, or set "
                "judge.allow_teacher_as_judge: true, and every table says so"
            )
        return self

    @model_validator(mode="after")
    def _teacher_is_open(self) -> Recipe:
        servers = self.teacher.mirrored()
        found = (why_private(server.model, host_of(server.base_url)) for server in servers)
        reason = next((one for one in found if one is not None), None)
        if reason is None and self.teacher.licence is not None and not states_licence(self.teacher.licence):
            reason = f"teacher.licence {self.teacher.licence!r} names none"
        if reason is not None:
            raise ValueError(
                f"{reason}, and only models with open weights under a stated licence may write training "
                "data; choose such a teacher (a private model may judge: its words are never trained on)"
            )
        if self.teacher.licence is None and not self.teacher.model.startswith(("bundled://", "scripted://")):
            raise ValueError(
                f"teacher.licence is not stated for {self.teacher.model}; read the licence of its weights "
                "and set teacher.licence, for example Apache-2.0: every row carries it"
            )
        return self

    @model_validator(mode="after")
    def _costs_are_known(self) -> Recipe:
        if self.budget.max_cost is not None and self.teacher.cost(0, 0) is None:
            raise ValueError(
                "budget.max_cost needs teacher.prompt_price and teacher.completion_price (a million tokens); "
                "without them no cost is known"
            )
        return self

    @model_validator(mode="after")
    def _answers_as_asked(self) -> Recipe:
        if answer_length(self) > model_length(self):
            raise ValueError(
                f"infer.max_new_tokens ({self.infer.max_new_tokens}) is over the model length "
                f"({model_length(self)}: infer.max_model_len, or student.max_length)"
            )
        if self.evaluate.mode == "faithful" and (found := deviations(self)):
            raise ValueError(
                f"evaluate.mode is faithful, but {'; '.join(found)}; take that out, or set evaluate.mode: "
                "custom, and the report tells it"
            )
        return self

    @model_validator(mode="after")
    def _gpus_are_used(self) -> Recipe:
        train, infer = self.cluster.train.gpus, self.cluster.infer.gpus
        if train and train != self.train.processes:
            raise ValueError(
                f"cluster.train.gpus ({train}) must be train.processes ({self.train.processes}): "
                "a process a GPU"
            )
        if infer and self.infer.engine == "vllm" and infer != self.infer.tensor_parallel_size:
            raise ValueError(
                f"cluster.infer.gpus ({infer}) must be infer.tensor_parallel_size "
                f"({self.infer.tensor_parallel_size})"
            )
        return self

    @model_validator(mode="after")
    def _data_lie_beside_runs(self) -> Recipe:
        data, runs = (url and f"{url.rstrip('/')}/" for url in (self.data.store, self.store.url))
        if data and runs and data.startswith(runs):
            raise ValueError(
                f"data.store ({self.data.store}) lies among the runs of store.url ({self.store.url}), where "
                "`gukbap prune` would take it for an old run; give it a place beside them, for "
                "example s3://bucket/data beside s3://bucket/runs"
            )
        return self

    @property
    def judge_is_teacher(self) -> bool:
        """Whether one model teaches and judges, under whichever of its names."""
        return self.judge.endpoint.weights == self.teacher.weights

    @property
    def scripted(self) -> bool:
        """Whether a scripted chat model takes a part, so that no number is a result."""
        return any(
            e.model.startswith("scripted://") and e.base_url is None
            for e in (self.teacher, self.judge.endpoint)
        )

    @property
    def deciding_strategy(self) -> Strategy:
        """The strategy whose scores decide on promotion."""
        wanted = self.promote.strategy
        return wanted if wanted in self.infer.strategies else self.infer.strategies[0]

    @property
    def hash(self) -> str:
        """SHA-256 of the recipe as resolved, without what changes no run (budget, retention)."""
        return sha256_text(canonical_json(self.model_dump(mode="json", exclude={"budget", "retention"})))

    @property
    def data_source(self) -> DataSource | None:
        """The data set that grows; None where every run makes its data anew."""
        if self.data.store is None:
            return None
        return DataSource(
            store=self.store.model_copy(update={"url": self.data.store.rstrip("/")}),
            name=self.data.name or self.name,
            base=self.data.base,
            after=self.data.after,
        )

    def generate_settings(self) -> GenerateSettings:
        """The settings of the generate stage."""
        return GenerateSettings(
            seed=self.seed,
            teacher=self.teacher,
            generate=self.generate,
            budget=self.budget,
            data=self.data_source,
        )

    def clean_settings(self) -> CleanSettings:
        """The settings of the clean stage: another student makes no other data unless its tokens count."""
        return CleanSettings(
            seed=self.seed,
            clean=self.clean,
            pack=self.evaluate.pack,
            strategies_file=self.evaluate.strategies_file,
            student=self.student if self.clean.counts_tokens else None,
        )

    def dedup_settings(self) -> DedupSettings:
        """The settings of the dedup stage."""
        return DedupSettings(seed=self.seed, dedup=self.dedup, data=self.data_source)

    def split_settings(self) -> SplitSettings:
        """The settings of the split stage."""
        return SplitSettings(seed=self.seed, split=self.split)

    def train_settings(self) -> TrainSettings:
        """The settings of the train stage."""
        return TrainSettings(seed=self.seed, student=self.student, train=self.train)

    def infer_settings(self, subject: Subject) -> InferSettings:
        """The settings of one infer step: they do not depend on which other subject is asked."""
        return InferSettings(
            step=f"infer-{subject}",
            seed=self.seed,
            student=self.student,
            infer=self.infer.model_copy(update={"subjects": [subject]}),
            evaluate=self.evaluate,
            subject=subject,
        )

    def judge_settings(self, subject: Subject, strategy: Strategy) -> JudgeSettings:
        """The settings of one judge step."""
        return JudgeSettings(
            step=f"judge-{subject}-{strategy}", seed=self.seed, judge=self.judge, pack=self.evaluate.pack
        )

    def promote_settings(self) -> PromoteSettings:
        """The settings of the promote stage."""
        return PromoteSettings(
            seed=self.seed,
            registered_model=self.promote.registered_model or pipeline_name(self.name).replace(".", "-"),
            promote=self.promote.model_copy(update={"strategy": self.deciding_strategy}),
            scripted=self.scripted,
            rejudging=self.rejudge_settings() if self.promote.rejudge_champion else None,
        )

    def rejudge_settings(self) -> JudgeSettings:
        """The settings by which stored answers of another run are judged by this run's judge."""
        return JudgeSettings(step="rejudge", seed=self.seed, judge=self.judge, pack=self.evaluate.pack)

"""A recipe: everything that a run depends on. Each default exists here and nowhere else."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gukbap.files import canonical_json, sha256_text
from gukbap.schemas import STRATEGIES, SUBJECTS, Strategy, Subject

#: LogicKor's generator stops at these strings in every model's answer (method facts, "LogicKor generation").
LOGICKOR_STOP = (
    "<|endoftext|>",
    "[INST]",
    "[/INST]",
    "<|im_end|>",
    "<|end|>",
    "<|eot_id|>",
    "<end_of_turn>",
    "<eos>",
)
MODEL_REFERENCE = r"^(bundled|hf|file|s3|random|scripted)://\S+$"


class Section(BaseModel):
    """A part of a recipe: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Endpoint(Section):
    """A chat model: one of the catalogue served by llama.cpp here, or any OpenAI-compatible server."""

    model: str = Field(
        description="bundled://NAME, scripted://NAME, or the server's name of the model when base_url is set"
    )
    base_url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="an OpenAI-compatible server, with its /v1"
    )
    api_key_env: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="NAME of the environment variable with the key; never the key",
    )
    concurrency: int = Field(4, ge=1, le=1024, description="calls under way at once")
    context_length: int = Field(
        2048, ge=256, description="tokens per call that a server started here has room for"
    )
    timeout_seconds: float = Field(300, gt=0)
    max_retries: int = Field(
        5, ge=0, description="further tries after a transient failure, with exponential backoff"
    )

    @model_validator(mode="after")
    def _reachable(self) -> Endpoint:
        if self.base_url is None and not self.model.startswith(("bundled://", "file://", "scripted://")):
            raise ValueError(
                f"model {self.model!r} needs base_url (a server that has it); "
                "without one, allowed are bundled://NAME, file://PATH.gguf and scripted://NAME"
            )
        return self


class GenerateConfig(Section):
    """Evol-Instruct (WizardLM, arXiv 2304.12244): rounds of in-depth and in-breadth evolving."""

    seeds: str = Field("bundled://seeds", description="bundled://seeds or a JSON Lines file of seeds")
    seed_count: int | None = Field(
        None, ge=1, description="how many seeds, drawn evenly over the categories; all when null"
    )
    rounds: int = Field(4, ge=0, le=16, description="evolution rounds (paper: 4); 0 answers the seeds only")
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
        80, ge=1, description="a refusal shorter than this many eojeol is dropped (paper: 80 words)"
    )
    keep_truncated: bool = Field(
        False, description="keep answers that hit answer_max_tokens; off, they are dropped with a reason"
    )


class DedupConfig(Section):
    """Near-dedup over character shingles, MinHash candidates verified exactly."""

    shingle_chars: int = Field(3, ge=1, le=16)
    similarity: float = Field(
        0.6, gt=0, le=1, description="exact Jaccard similarity from which two instructions count as one"
    )
    permutations: int = Field(128, ge=16, le=1024)
    bands: int = Field(32, ge=1)

    @model_validator(mode="after")
    def _bands_divide(self) -> DedupConfig:
        if self.permutations % self.bands:
            raise ValueError(f"permutations ({self.permutations}) must be a multiple of bands ({self.bands})")
        return self


class SplitConfig(Section):
    """Validation rows are drawn by seed family, so that no family stands on both sides."""

    validation_rows: int = Field(200, ge=1, description="at least so many rows, whole families (card: 200)")


class StudentConfig(Section):
    """The model that is trained, and the chat template it is trained and served with."""

    model: str = Field(
        pattern=MODEL_REFERENCE,
        description="bundled://NAME, hf://org/name@revision, file://PATH, s3://bucket/key or random://NAME?seed=N",
    )
    chat_template: Literal["mistral-v0.2", "chatml", "gemma", "gemma-base"] = Field(
        description="pinned template of the package"
    )
    max_length: int = Field(8192, ge=32, description="tokens of prompt and answer together (card: 8192)")


class TrainConfig(Section):
    """SFT in the spirit of LIMA (arXiv 2305.11206): loss on answers only, end token included."""

    epochs: int = Field(2, ge=1, le=100)
    learning_rate: float = Field(4e-6, gt=0, le=1)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    min_learning_rate_ratio: float = Field(
        0.1, ge=0, le=1, description="where decay ends (LIMA: 1e-5 to 1e-6)"
    )
    warmup_ratio: float = Field(0.0, ge=0, lt=1, description="LIMA: no warm-up")
    weight_decay: float = Field(0.1, ge=0)
    adam_beta2: float = Field(0.95, gt=0, lt=1)
    max_grad_norm: float = Field(1.0, gt=0)
    per_device_batch_size: int = Field(1, ge=1)
    gradient_accumulation: int = Field(16, ge=1)
    freeze_embeddings: bool = Field(
        False, description="keep the (tied) embedding fixed; saves most of a small model's time on CPU"
    )
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    gradient_checkpointing: bool = True
    processes: int = Field(1, ge=1, le=64, description="processes of one machine, one a GPU")
    sharding: Literal["none", "fsdp"] = Field("none", description="fsdp: full shard over the processes")
    save_every_steps: int = Field(50, ge=1)

    @model_validator(mode="after")
    def _sharding_needs_processes(self) -> TrainConfig:
        if self.sharding == "fsdp" and self.processes < 2:
            raise ValueError("sharding 'fsdp' needs processes of 2 or more; allowed with 1 process: 'none'")
        return self


class InferConfig(Section):
    """How the student answers the evaluation questions."""

    engine: Literal["transformers", "vllm", "openai"] = "transformers"
    strategies: list[Strategy] = Field(list(STRATEGIES), min_length=1)
    subjects: list[Subject] = Field(
        list(SUBJECTS), min_length=1, description="base: the untrained student; tuned: the trained one"
    )
    max_new_tokens: int = Field(4096, ge=1)
    stop: list[str] = Field(list(LOGICKOR_STOP))
    batch_size: int = Field(8, ge=1)
    dtype: Literal["float32", "bfloat16", "float16", "auto"] = "auto"
    tensor_parallel_size: int = Field(1, ge=1)
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    base_url: str | None = Field(None, pattern=r"^https?://\S+$", description="engine openai: the server")
    api_key_env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")

    @model_validator(mode="after")
    def _consistent(self) -> InferConfig:
        for name in ("strategies", "subjects"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name} names one twice: {values}")
        if self.engine == "openai" and self.base_url is None:
            raise ValueError("engine 'openai' needs base_url")
        return self


class EvaluateConfig(Section):
    """Which questions are asked."""

    pack: str = Field(
        "bundled://offline-pack",
        description="bundled://offline-pack or a JSON Lines file in LogicKor's shape",
    )
    strategies_file: str = Field(
        "bundled://strategies", description="bundled://strategies or a JSON file of name → messages"
    )
    questions_per_category: int | None = Field(
        None, ge=1, description="the first so many of each category; all when null"
    )


class JudgeConfig(Section):
    """The LLM judge: temperature 0; a reply without a score is asked again, then left unscored."""

    endpoint: Endpoint
    max_tokens: int = Field(1024, ge=16)
    attempts: int = Field(
        3,
        ge=1,
        le=10,
        description="calls at most for one judgement; without a score after them it stays unscored",
    )
    max_answer_chars: int = Field(
        20000, ge=100, description="an answer is shown to the judge up to here; a cut is marked"
    )
    allow_teacher_as_judge: bool = Field(
        False, description="needed by name where judge and teacher are one model; every table then says so"
    )


class TrackingConfig(Section):
    """MLflow. The environment's MLFLOW_TRACKING_URI stands above `uri`; with neither, a SQLite file."""

    enabled: bool = True
    uri: str | None = None
    experiment: str = Field("gukbap", min_length=1)


class StoreConfig(Section):
    """Where finished artifacts are copied to besides the run folder. Keys come from the environment."""

    url: str | None = Field(
        None,
        pattern=r"^(s3://[a-z0-9.-]+(/\S*)?|file://\S+)$",
        description="s3://bucket/prefix or file:///folder; null: the run folder alone",
    )
    endpoint_url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="MinIO or another S3 server; MINIO_ENDPOINT where null"
    )
    access_key_env: str = "MINIO_ACCESS_KEY"
    secret_key_env: str = "MINIO_SECRET_KEY"  # noqa: S105 - the NAME of a variable


class PromoteConfig(Section):
    """When the tuned student is registered, and when it becomes the champion."""

    registered_model: str | None = Field(
        None, pattern=r"^[^/:.]+$", description="name in MLflow's model registry; null: gukbap-<recipe>"
    )
    min_gain: float = Field(
        0.0,
        ge=-10,
        le=10,
        description="promoted when the lower bound of tuned minus base is above this many points of 10",
    )
    strategy: Strategy = Field("default", description="the strategy whose scores decide")


class Toleration(Section):
    """A taint of the nodes that a pod may run on all the same (Kubernetes, core/v1 Toleration)."""

    key: str
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = "NoSchedule"


class StepResources(Section):
    """What one kind of step asks of a node, and for how long."""

    cpu: str = Field("4", pattern=r"^\d+m?$")
    memory: str = Field("8Gi", pattern=r"^\d+(Mi|Gi)$")
    gpus: int = Field(0, ge=0)
    timeout_seconds: int = Field(6 * 3600, ge=60, description="a pod that runs longer is ended")


class RetryConfig(Section):
    """How often a failed step is tried again. Generation, judging, answering and training go on from
    their journals and checkpoints."""

    retries: int = Field(3, ge=0, le=10)
    backoff_seconds: int = Field(30, ge=0)
    backoff_factor: float = Field(2.0, ge=1)
    max_backoff_seconds: int = Field(600, ge=0)


class ClusterConfig(Section):
    """What a compiled pipeline asks of Kubernetes."""

    light: StepResources = Field(
        StepResources(cpu="2", memory="4Gi", timeout_seconds=3600),
        description="prepare, split, report, promote and finish",
    )
    generate: StepResources = StepResources(timeout_seconds=24 * 3600)
    dedup: StepResources = StepResources()
    train: StepResources = StepResources(memory="16Gi", timeout_seconds=48 * 3600)
    infer: StepResources = StepResources(memory="16Gi")
    judge: StepResources = StepResources()
    retry: RetryConfig = RetryConfig()
    gpu_resource: str = "nvidia.com/gpu"
    shared_memory: str = Field(
        "64Gi",
        pattern=r"^\d+(Mi|Gi)$",
        description="/dev/shm of GPU steps; counts against their memory limit",
    )
    gpu_node_selector: dict[str, str] = Field(
        default_factory=dict, description="labels of the nodes that GPU steps run on"
    )
    gpu_tolerations: list[Toleration] = Field(
        [Toleration(key="nvidia.com/gpu")], description="taints of GPU nodes that GPU steps tolerate"
    )
    secret: str = Field(
        "gukbap",
        description="Kubernetes secret whose keys become the environment variables that the recipe names",
    )
    config_map: str = Field(
        "gukbap",
        description="ConfigMap with MLFLOW_TRACKING_URI, MINIO_ENDPOINT and KF_PIPELINES_ENDPOINT; may be missing",
    )
    image_pull_secret: str | None = Field(None, description="secret of a private image registry")
    work_claim: str | None = Field(
        None,
        description="a ReadWriteMany claim for journals and checkpoints; without one a retry starts anew",
    )
    ui_url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="where people open the Kubeflow Pipelines UI"
    )
    trainer: Literal["pod", "trainjob"] = Field(
        "pod", description="trainjob: hand training to Kubeflow Trainer, over several nodes"
    )
    nodes: int = Field(1, ge=1, description="trainer trainjob: nodes, each with train.gpus GPUs")
    training_runtime: str = Field(
        "torch-distributed", description="trainer trainjob: the ClusterTrainingRuntime to use"
    )


class ScheduleConfig(Section):
    """Scheduled retraining on Kubeflow Pipelines."""

    cron: str = Field(
        description="six fields (seconds first) as KFP takes them: '0 0 18 * * 0' is Sundays at 18:00 UTC"
    )
    enabled: bool = True
    experiment: str = Field("gukbap", min_length=1, description="KFP experiment of the scheduled runs")

    @model_validator(mode="after")
    def _six_fields(self) -> ScheduleConfig:
        if not self.cron.startswith("@") and len(self.cron.split()) != 6:
            raise ValueError(
                f"cron {self.cron!r} has {len(self.cron.split())} fields; Kubeflow Pipelines takes six, "
                "seconds first, for example '0 0 18 * * 0' (Sundays at 18:00 UTC)"
            )
        return self


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


class Recipe(Section):
    """A whole run."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,62}$")
    description: str = ""
    seed: int = Field(42, ge=0, lt=2**31)
    teacher: Endpoint
    generate: GenerateConfig = GenerateConfig()
    dedup: DedupConfig = DedupConfig()
    split: SplitConfig = SplitConfig()
    student: StudentConfig
    train: TrainConfig = TrainConfig()
    infer: InferConfig = InferConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    judge: JudgeConfig
    tracking: TrackingConfig = TrackingConfig()
    store: StoreConfig = StoreConfig()
    promote: PromoteConfig = PromoteConfig()
    cluster: ClusterConfig = ClusterConfig()
    schedule: ScheduleConfig | None = Field(None, description="scheduled retraining; null: none")
    card_facts: dict[str, str] = Field(
        default_factory=dict, description="published facts that no setting holds, for the model card"
    )

    @model_validator(mode="after")
    def _judge_is_not_teacher(self) -> Recipe:
        if self.judge_is_teacher and not self.judge.allow_teacher_as_judge:
            raise ValueError(
                f"judge.endpoint.model is the teacher ({self.teacher.model}): a model must not judge what it "
                "taught; choose another judge, or set judge.allow_teacher_as_judge: true, and every table "
                "says so"
            )
        if self.infer.max_new_tokens > self.student.max_length:
            raise ValueError(
                f"infer.max_new_tokens ({self.infer.max_new_tokens}) is over "
                f"student.max_length ({self.student.max_length})"
            )
        return self

    @property
    def judge_is_teacher(self) -> bool:
        """Whether one model teaches and judges."""
        return self.judge.endpoint.model == self.teacher.model

    @property
    def scripted(self) -> bool:
        """Whether a scripted chat model takes a part, so that no number is a result."""
        return any(
            e.model.startswith("scripted://") and e.base_url is None
            for e in (self.teacher, self.judge.endpoint)
        )

    @property
    def hash(self) -> str:
        """SHA-256 of the recipe as resolved, defaults included."""
        return sha256_text(canonical_json(self.model_dump(mode="json")))

    def generate_settings(self) -> GenerateSettings:
        """The settings of the generate stage."""
        return GenerateSettings(seed=self.seed, teacher=self.teacher, generate=self.generate)

    def dedup_settings(self) -> DedupSettings:
        """The settings of the dedup stage."""
        return DedupSettings(seed=self.seed, dedup=self.dedup)

    def split_settings(self) -> SplitSettings:
        """The settings of the split stage."""
        return SplitSettings(seed=self.seed, split=self.split)

    def train_settings(self) -> TrainSettings:
        """The settings of the train stage."""
        return TrainSettings(seed=self.seed, student=self.student, train=self.train)

    def infer_settings(self, subject: Subject, strategy: Strategy) -> InferSettings:
        """The settings of one infer step."""
        return InferSettings(
            seed=self.seed,
            student=self.student,
            infer=self.infer,
            evaluate=self.evaluate,
            subject=subject,
            strategy=strategy,
        )

    def judge_settings(self) -> JudgeSettings:
        """The settings of a judge step."""
        return JudgeSettings(seed=self.seed, judge=self.judge)

    def promote_settings(self) -> PromoteSettings:
        """The settings of the promote stage."""
        return PromoteSettings(
            seed=self.seed,
            registered_model=self.promote.registered_model or f"gukbap-{self.name.replace('.', '-')}",
            promote=self.promote,
            scripted=self.scripted,
        )


def settings_text(settings: Section) -> str:
    """A settings object as the one JSON text that travels through the pipeline."""
    return canonical_json(settings.model_dump(mode="json"))

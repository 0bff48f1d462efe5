"""Answering, judging, and what follows from the scores."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from gukbap.config.base import Section
from gukbap.config.endpoints import Endpoint
from gukbap.schemas import CATEGORIES, STRATEGIES, SUBJECTS, Strategy, Subject

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


class InferConfig(Section):
    """How the student answers the evaluation questions."""

    engine: Literal["transformers", "vllm", "openai"] = "transformers"
    strategies: list[Strategy] = Field(list(STRATEGIES), min_length=1)
    subjects: list[Subject] = Field(
        list(SUBJECTS), min_length=1, description="base: the untrained student; tuned: the trained one"
    )
    max_model_len: int | None = Field(
        None, ge=32, description="tokens of prompt and answer together; null: student.max_length"
    )
    max_new_tokens: int | None = Field(
        None, ge=1, description="tokens of an answer; null: what the model length leaves, as in LogicKor"
    )
    stop: list[str] = Field(list(LOGICKOR_STOP))
    batch_size: int = Field(8, ge=1)
    dtype: Literal["float32", "bfloat16", "float16", "auto"] = "auto"
    quantization: str | None = Field(
        None,
        pattern=r"^[a-z0-9_-]+$",
        description="engine vllm: awq, gptq, fp8 or another of vLLM's methods; null: what the model's own "
        "configuration says",
    )
    tensor_parallel_size: int = Field(1, ge=1, description="engine vllm: GPUs that share the model")
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    base_url: str | None = Field(None, pattern=r"^https?://\S+$", description="engine openai: the server")
    openai_api: Literal["chat", "completions"] = Field(
        "chat",
        description="engine openai: chat, where the server applies a chat template of its own; completions, "
        "where it gets the token ids that training saw (vLLM, SGLang, llama.cpp)",
    )
    api_key_env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")

    @model_validator(mode="after")
    def _consistent(self) -> InferConfig:
        for name in ("strategies", "subjects"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name} names one twice: {values}")
        if self.engine == "openai" and self.base_url is None:
            raise ValueError("engine 'openai' needs base_url")
        if self.engine != "openai" and self.openai_api != "chat":
            raise ValueError(f"openai_api {self.openai_api!r} needs engine 'openai', not {self.engine!r}")
        if self.engine != "vllm":
            if self.quantization is not None:
                raise ValueError(
                    f"quantization {self.quantization!r} needs engine 'vllm'; engine {self.engine!r} takes "
                    "the model as it is"
                )
            if self.tensor_parallel_size > 1:
                raise ValueError(
                    f"tensor_parallel_size {self.tensor_parallel_size} needs engine 'vllm', not "
                    f"{self.engine!r}"
                )
        return self


class EvaluateConfig(Section):
    """Which questions are asked, and how strictly after LogicKor."""

    mode: Literal["faithful", "custom"] = Field(
        "custom",
        description="faithful: LogicKor's generation to the letter, and a recipe that departs from it is "
        "refused; custom: departures are allowed, and told",
    )
    pack: str = Field(
        "bundled://offline-pack",
        description="bundled://offline-pack, a JSON Lines file in LogicKor's shape, a folder that "
        "`gukbap logickor import` made, or s3://bucket/prefix of either",
    )
    strategies_file: str | None = Field(
        None,
        description="bundled://strategies, or a JSON file of name → messages; null: the pack's own, "
        "and the bundled ones where it has none",
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
    cache: bool = Field(
        True, description="take replies to the very same calls from earlier runs; a scripted judge has none"
    )
    judgements: int = Field(
        1,
        ge=1,
        le=100,
        description="verdicts on each turn; several tell the judge's wavering from the questions' difference",
    )
    sample_temperature: float = Field(
        0.7,
        ge=0,
        le=2,
        description="of the second and further verdicts on a turn (the first is at 0, as LogicKor asks)",
    )
    max_answer_chars: int = Field(
        20000, ge=100, description="an answer is shown to the judge up to here; a cut is marked"
    )
    allow_teacher_as_judge: bool = Field(
        False, description="needed by name where judge and teacher are one model; every table then says so"
    )


class PromoteConfig(Section):
    """When the tuned student becomes the champion of the model registry."""

    registered_model: str | None = Field(
        None, pattern=r"^[^/:.]+$", description="name in MLflow's model registry; null: gukbap-<recipe>"
    )
    min_gain: float = Field(
        0.0,
        ge=-10,
        le=10,
        description="promoted when the lower bound of the gain over the champion (over the base where there "
        "is no champion) is above this many points of 10",
    )
    strategy: Strategy = Field(
        "default",
        description="the strategy whose scores decide; the first of infer.strategies where it is not asked",
    )
    min_language_compliance: float = Field(
        0.9, ge=0, le=1, description="share of answers that must keep to the benchmark's language"
    )
    unknown_blocks: bool = Field(
        False,
        description="hold a promotion where the number of a guard rail is not known (a run without a "
        "contamination check); false: such a guard rail is only told as not known",
    )
    rejudge_champion: bool = Field(
        False,
        description="judge the champion's stored answers again where its judge or rubric is not this run's; "
        "takes as many calls as judging one strategy; false: such a run is held",
    )


#: What a published score may be of: the columns of LogicKor's table.
PUBLISHED = (*(category.partition("(")[0] for category in CATEGORIES), "single", "multi", "overall")


def _overall_alone(value: Any) -> Any:
    return {"overall": value} if isinstance(value, int | float) else value


class BaselineConfig(Section):
    """A model whose judged answers are shown beside this run's."""

    path: str = Field(
        min_length=1,
        description="LogicKor's evaluated file, judgements of `gukbap judge`, a folder of either, or "
        "s3://bucket/key of such a file",
    )
    name: str | None = Field(
        None, min_length=1, description="null: the folders above the file, as LogicKor keeps them"
    )
    strategy: str | None = Field(None, min_length=1, description="null: the file's own")
    published: Annotated[dict[str, Annotated[float, Field(ge=0, le=10)]], BeforeValidator(_overall_alone)] = (
        Field(
            default_factory=dict,
            description="scores published for it: {overall: 9.42, 수학: 9.21}, or the overall score; the "
            "report says where they are not those of the file",
        )
    )

    @field_validator("name")
    @classmethod
    def _not_a_subject(cls, name: str | None) -> str | None:
        if name in SUBJECTS:
            raise ValueError(f"{name!r} is what this run's own rows are called; choose another name")
        return name

    @field_validator("published")
    @classmethod
    def _columns(cls, published: dict[str, float]) -> dict[str, float]:
        if unknown := [column for column in published if column not in PUBLISHED]:
            raise ValueError(f"no column {', '.join(unknown)}; allowed are {', '.join(PUBLISHED)}")
        return published


class ReportConfig(Section):
    """What the report shows beside the run's own scores."""

    baselines: list[BaselineConfig] = Field(default_factory=list)

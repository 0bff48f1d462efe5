"""What only the model card says: its metadata, the chat prompt, and the training as it was run."""

from __future__ import annotations

import re
from typing import Any

from gukbap.chat_templates import ChatTemplate, load_template, render
from gukbap.schemas import SUBJECTS, Message
from gukbap.stages.report.facts import Licence, RunFacts
from gukbap.stages.report.tables import category_label
from gukbap.stages.scores import ScoreRow, ScoreTable

#: stands for the tokenizer's own BOS token in the rendered example
BOS = "{BOS}"
_EXAMPLE = (
    Message(role="user", content="국밥을 한 문장으로 설명해 주세요."),
    Message(role="assistant", content="국밥은 따뜻한 국에 밥을 말아 먹는 한국 음식입니다."),
    Message(role="user", content="어떤 종류가 있나요?"),
)
#: licence of the catalogue → its identifier on the hub (huggingface.co/docs/hub/repositories-licenses)
_HUB_LICENCES = {"Apache-2.0": "apache-2.0", "MIT": "mit", "Gemma Terms of Use": "gemma"}
#: training statistics in the order in which a reader asks for them
_COUNTS = {
    "rows": "training rows",
    "tokens": "tokens in them",
    "trained_tokens": "of these tokens of answers, which alone are trained",
    "validation_rows": "validation rows",
    "validation_trained_tokens": "tokens of answers in them",
    "steps": "optimiser steps",
    "seconds": "seconds",
    "trained_tokens_per_second": "trained tokens a second",
}


def front_matter(facts: RunFacts, table: ScoreTable) -> dict[str, Any]:
    """The metadata that the Hugging Face hub reads, as far as the run knows them.

    The scores of a scripted run are no results and are left out.
    """
    student = facts.model("student")
    logickor = facts.questions is not None and facts.questions.logickor
    front: dict[str, Any] = {
        "language": ["ko"],
        **_licence(student.source.licence),
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
    }
    if student.source.hub:
        front |= {"base_model": student.source.hub, "base_model_relation": "finetune"}
    front["tags"] = ["gukbap", "korean", "evol-instruct", "sft", *(["logickor"] if logickor else [])]
    results = [
        _result(facts, row) for row in table.rows if row.subject == SUBJECTS[1] and row.overall is not None
    ]
    if results and not facts.scripted:
        front["model-index"] = [{"name": facts.model_name, "results": results}]
    return front


def prompt_values(facts: RunFacts) -> dict[str, Any]:
    """The chat prompt on a small example, and what ends an answer."""
    template = load_template(facts.recipe["student"]["chat_template"])
    return {
        "template": template,
        "prompt": render(template, _EXAMPLE, BOS if template.uses_bos else "", generation_prompt=True),
        "system_rule": _system_rule(template),
    }


def training_values(facts: RunFacts) -> dict[str, Any]:
    """Hyperparameters, counts and losses of the training as it was run."""
    train: dict[str, Any] = facts.recipe["train"]
    measured = facts.train or {}
    processes = measured.get("processes", train["processes"])
    batch = train["per_device_batch_size"] * train["gradient_accumulation"] * processes
    settings = {
        **{key.replace("_", " "): value for key, value in train.items() if key != "sample_prompts"},
        "rows in a step": f"{batch} ({train['per_device_batch_size']} × {train['gradient_accumulation']} "
        f"accumulated × {processes} {'process' if processes == 1 else 'processes'})",
        "longest row": f"{facts.recipe['student']['max_length']} tokens",
    }
    return {
        "hyperparameters": {key: str(value) for key, value in settings.items()},
        "training_counts": {
            label: f"{measured[key]:.1f}" if isinstance(measured[key], float) else str(measured[key])
            for key, label in _COUNTS.items()
            if key in measured
        },
        "loss_rows": [
            (label, _loss(measured.get(before)), _loss(measured.get(after)))
            for label, before, after in (
                ("answers only, as trained", "base_loss", "validation_loss"),
                ("whole sequence, prompts too", "base_full_loss", "validation_full_loss"),
            )
            if measured.get(before) is not None or measured.get(after) is not None
        ],
    }


def _loss(value: float | None) -> str:
    return "not recorded" if value is None else f"{value:.4f}"


def _system_rule(template: ChatTemplate) -> str:
    if template.folds_system:
        return "A system message goes in front of the first question, with a blank line between."
    return "A system message stands as a message of its own."


def _licence(licence: Licence | None) -> dict[str, str]:
    """The hub's licence keys; nothing where the licence is not known."""
    if licence is None:
        return {}
    if licence.name in _HUB_LICENCES:
        return {"license": _HUB_LICENCES[licence.name]}
    name = re.sub(r"[^a-z0-9.]+", "-", licence.name.lower()).strip("-")
    return {
        "license": "other",
        "license_name": name,
        **({"license_link": licence.url} if licence.url else {}),
    }


def _result(facts: RunFacts, row: ScoreRow) -> dict[str, Any]:
    """One strategy's scores in the hub's model-index."""
    asked = facts.questions.identity if facts.questions else None
    values = {
        **{category_label(category): value for category, value in row.categories.items()},
        "single": row.single,
        "multi": row.multi,
        "overall": row.overall,
    }
    teacher = ", which is also the teacher" if facts.judge_is_teacher else ""
    dataset = {
        "name": f"{asked.name if asked else 'questions not recorded'} ({row.strategy})",
        "type": asked.name if asked else "not-recorded",
        "config": row.strategy,
        "split": "test",
    }
    if asked:
        dataset["revision"] = asked.commit or f"sha256:{asked.sha256}"
    return {
        "task": {"type": "text-generation", "name": "two-turn questions in Korean"},
        "dataset": dataset,
        "metrics": [
            {
                "type": "llm-judge-score",
                "name": f"{name}, 0-10, judge {row.judge}{teacher}",
                "value": round(value, 4),
                "verified": False,
            }
            for name, value in values.items()
            if value is not None
        ],
    }

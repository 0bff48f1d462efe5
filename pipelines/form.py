"""The run form as KFP parameters: the fields of gukbap.form, and where the steps run."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components import images
from gukbap.config import Recipe
from gukbap.form import ALWAYS, FIELDS, FRESHNESS, REUSE, fields_of, value_at

#: more fields than these make a form that nobody reads
MAX_FIELDS = 20


@dataclass(frozen=True)
class Parameter:
    """One parameter of the compiled pipeline."""

    name: str
    default: Any
    description: str
    #: whether the prepare step is told; the others only place pods
    prepared: bool = True


class Form:
    """The parameters of a recipe's pipeline, or, where it offers none, the recipe's own values."""

    def __init__(self, recipe: Recipe, *, offered: bool) -> None:
        self._offered = offered
        self._parameters = _parameters(recipe)
        if len(self._parameters) > MAX_FIELDS:
            raise AssertionError(f"{len(self._parameters)} form fields; at most {MAX_FIELDS}")

    def parameters(self) -> list[inspect.Parameter]:
        """The pipeline function's parameters; none where no form is offered."""
        if not self._offered:
            return []
        return [
            inspect.Parameter(
                parameter.name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=parameter.default,
                annotation=type(parameter.default),
            )
            for parameter in self._parameters
        ]

    def docstring(self, description: str) -> str:
        """The pipeline function's docstring, out of which KFP takes the fields' descriptions."""
        lines = [f"    {parameter.name}: {parameter.description}" for parameter in self._parameters]
        return "\n".join([description or "The gukbap pipeline.", "", "Args:", *lines])

    def bind(self, values: Sequence[Any]) -> dict[str, Any]:
        """Parameter → its value, or what stands for it inside the pipeline."""
        if not self._offered:
            return {parameter.name: parameter.default for parameter in self._parameters}
        return dict(zip((parameter.name for parameter in self._parameters), values, strict=True))

    def for_prepare(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What the prepare step is given: a field that the form does not offer as 0 or an empty text.

        Not left out: kfp.local takes int() of an optional number that is not given.
        """
        empty = {field.name: field.kind() for field in FIELDS}
        return empty | {p.name: given[p.name] for p in self._parameters if p.prepared}


def _parameters(recipe: Recipe) -> list[Parameter]:
    cluster = recipe.cluster
    fields = [
        Parameter(field.name, value_at(recipe, field), field.description) for field in fields_of(recipe)
    ]
    choice = f"{REUSE}: unchanged steps come from the cache. {ALWAYS}: new data is generated."
    placed = [
        Parameter(FRESHNESS, REUSE, choice),
        Parameter("cpu_image", images.CPU, "Image of the steps without an accelerator."),
        Parameter("train_image", images.TRAIN, "Image of the training step."),
        Parameter("infer_image", images.for_inference(recipe.infer), "Image of the answering steps."),
        Parameter("secret", cluster.secret, "Kubernetes secret with the API keys, by name.", prepared=False),
    ]
    if recipe.teacher.vllm or recipe.judge.endpoint.vllm:
        text = "Image of the steps that serve their chat model with vLLM."
        placed.append(Parameter("chat_image", images.VLLM, text, prepared=False))
    if cluster.image_pull_secret:
        text = "Kubernetes secret of the image registry, by name."
        placed.append(Parameter("image_pull_secret", cluster.image_pull_secret, text, prepared=False))
    return [*fields, *placed]

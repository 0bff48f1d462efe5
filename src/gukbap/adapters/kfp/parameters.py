"""The runtime parameters that a pipeline version takes, and a user's values for them."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gukbap.errors import UsageError
from gukbap.form import ALWAYS, FRESHNESS


def pipeline_spec(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The PipelineSpec in what the API stores for a version (alone, or beside a platform spec)."""
    inner = document.get("pipeline_spec")
    return inner if isinstance(inner, Mapping) else document


def declared_parameters(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Name → ParameterSpec of a version's root inputs (root.inputDefinitions.parameters of the IR)."""
    root = pipeline_spec(document).get("root") or {}
    definitions = root.get("inputDefinitions") or {}
    return dict(definitions.get("parameters") or {})


def with_freshness(values: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule's values: `freshness` is "always" if the pipeline has it and nobody said otherwise.

    Retraining must not be skipped by the cache.
    """
    fresh = {FRESHNESS: ALWAYS} if FRESHNESS in declared_parameters(document) else {}
    return {**fresh, **values}


def read_assignments(assignments: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE texts as a mapping; UsageError for another form or a name given twice."""
    values: dict[str, str] = {}
    for assignment in assignments:
        name, separator, text = assignment.partition("=")
        if not separator or not name.strip():
            raise UsageError(f"--param {assignment!r}", expected="NAME=VALUE")
        if name.strip() in values:
            raise UsageError(f"--param {name.strip()} is given twice")
        values[name.strip()] = text
    return values


def typed_values(
    given: Mapping[str, str], document: Mapping[str, Any], *, pipeline: str, set_here: Sequence[str] = ()
) -> dict[str, Any]:
    """A user's texts as values of the types that the pipeline declares.

    Args:
        given: name → text.
        document: the version's spec.
        pipeline: its name, for an error.
        set_here: parameters that get a value elsewhere, so that they are not missing.

    Raises:
        UsageError: a name is unknown, a value has the wrong type, or a parameter without a default
            has no value; all that is wrong is named at once.
    """
    declared = declared_parameters(document)
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, text in given.items():
        if name not in declared:
            near = difflib.get_close_matches(name, declared, n=1)
            problems.append(f"no parameter {name!r}" + (f" (did you mean {near[0]}?)" if near else ""))
            continue
        kind = str(declared[name].get("parameterType"))
        read, form = _READERS.get(kind, (str, "text"))
        try:
            values[name] = read(text)
        except (ValueError, TypeError):
            problems.append(f"{name}={text!r} is not {form} ({kind})")
    missing = [
        name
        for name, spec in declared.items()
        if name not in given and name not in set_here and not _optional(spec)
    ]
    problems += [f"{name} has no value and no default" for name in missing]
    if problems:
        known = ", ".join(f"{name} ({spec.get('parameterType')})" for name, spec in sorted(declared.items()))
        raise UsageError(
            f"parameters of {pipeline}: " + "; ".join(problems),
            expected=f"parameters: {known}" if known else "none: this pipeline takes no parameters",
        )
    return values


def _optional(spec: Mapping[str, Any]) -> bool:
    return "defaultValue" in spec or bool(spec.get("isOptional"))


def _integer(text: str) -> int:
    return int(text, 10)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _json(kind: type) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        value = json.loads(text)
        if not isinstance(value, kind):
            raise TypeError(text)
        return value

    return read


_READERS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "NUMBER_INTEGER": (_integer, "a whole number"),
    "NUMBER_DOUBLE": (_number, "a number"),
    "BOOLEAN": (_boolean, "true or false"),
    "STRING": (str, "text"),
    "LIST": (_json(list), "a JSON list"),
    "STRUCT": (_json(dict), "a JSON object"),
}

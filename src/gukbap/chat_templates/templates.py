"""The pinned templates and what is known about each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NoReturn

from jinja2 import Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gukbap.errors import ConfigError, InputError
from gukbap.files import sha256_text
from gukbap.schemas import Message


@dataclass(frozen=True)
class ChatTemplate:
    """A chat template of the package.

    Attributes:
        name: what recipes call it.
        jinja: its text, as it is written into a trained model's tokenizer.
        sha256: of that text.
        folds_system: whether system text goes in front of the first question (the model knows no
            system role) or stands as a message of its own.
        uses_bos: whether the conversation begins with the tokenizer's BOS.
        end_token: the special token that ends an answer; it is trained, and generation stops at it.
        special_tokens: the special tokens that the template writes besides BOS.
    """

    name: str
    jinja: str
    sha256: str
    folds_system: bool
    uses_bos: bool
    end_token: str
    special_tokens: tuple[str, ...]


@dataclass(frozen=True)
class _Traits:
    folds_system: bool
    uses_bos: bool
    end_token: str
    special_tokens: tuple[str, ...]


_TRAITS: Mapping[str, _Traits] = {
    # [INST] and [/INST] are ordinary text to this model's tokenizer, so they are not listed.
    "mistral-v0.2": _Traits(True, True, "</s>", ("</s>",)),
    "chatml": _Traits(False, False, "<|im_end|>", ("<|im_start|>", "<|im_end|>")),
    "gemma": _Traits(True, True, "<end_of_turn>", ("<start_of_turn>", "<end_of_turn>")),
    "gemma-base": _Traits(True, True, "<eos>", ("<start_of_turn>", "<end_of_turn>", "<eos>")),
}


@cache
def load_template(name: str) -> ChatTemplate:
    """The pinned template called `name`; ConfigError names the known ones."""
    if name not in _TRAITS:
        raise ConfigError(f"there is no chat template {name!r}", expected=f"one of {', '.join(_TRAITS)}")
    text = (files("gukbap.chat_templates") / f"{name}.jinja").read_text(encoding="utf-8")
    traits = _TRAITS[name]
    return ChatTemplate(
        name=name,
        jinja=text,
        sha256=sha256_text(text),
        folds_system=traits.folds_system,
        uses_bos=traits.uses_bos,
        end_token=traits.end_token,
        special_tokens=traits.special_tokens,
    )


def fold_system(messages: Sequence[Message]) -> list[Message]:
    """Put system text in front of the user turn that follows it, with a blank line between.

    Raises:
        InputError: no user turn follows a system message.
    """
    folded: list[Message] = []
    waiting = ""
    for message in messages:
        if message.role == "system":
            waiting += message.content.strip() + "\n\n"
        elif message.role == "user" and waiting:
            folded.append(Message(role="user", content=waiting + message.content.strip()))
            waiting = ""
        else:
            folded.append(message)
    if waiting:
        raise InputError("a system message has no user message after it", expected="system, then user")
    return folded


def render(
    template: ChatTemplate, messages: Sequence[Message], bos_token: str, *, generation_prompt: bool
) -> str:
    """The conversation as text, as any server with this template renders it.

    Raises:
        InputError: the template refuses the order of the roles.
    """
    try:
        return _compiled(template.jinja).render(
            messages=[message.model_dump() for message in messages],
            bos_token=bos_token,
            add_generation_prompt=generation_prompt,
        )
    except TemplateError as error:
        roles = ", ".join(message.role for message in messages)
        raise InputError(
            f"template {template.name} refuses the roles {roles}: {error}",
            expected="an optional system message, then user and assistant in turn",
        ) from error


@cache
def _compiled(jinja: str) -> Template:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = _refuse
    return environment.from_string(jinja)


def _refuse(reason: str) -> NoReturn:
    raise TemplateError(reason)

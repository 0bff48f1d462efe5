"""From messages to token ids."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from gukbap.chat_templates.templates import ChatTemplate, fold_system, render
from gukbap.errors import ConfigError, InputError
from gukbap.schemas import Message

# Place holders for message contents, of characters of Unicode's private use area. They never meet a
# message's text: contents are put in after the template's output has been cut.
_OPEN, _CLOSE = "\ue000", "\ue001"
_PLACE_HOLDER = re.compile(f"{_OPEN}(\\d+){_CLOSE}")


class TokenizerLike(Protocol):
    """What is asked of a transformers tokenizer."""

    bos_token: Any
    unk_token_id: Any

    def __call__(self, text: str, *, add_special_tokens: bool, split_special_tokens: bool) -> Any:
        """Tokenise one text; the result has `input_ids`."""

    def convert_tokens_to_ids(self, tokens: str) -> Any:
        """The id of one token."""


class Segment(NamedTuple):
    """A run of token ids that is trained as a whole (an answer with its end token) or not at all."""

    ids: list[int]
    trained: bool


def encode_prompt(tokenizer: TokenizerLike, template: ChatTemplate, messages: Sequence[Message]) -> list[int]:
    """The ids after which the model is to answer: one BOS where the template has one, no end token.

    Raises:
        InputError: the messages do not end with the user's, or the roles do not alternate.
        ConfigError: the tokenizer lacks a special token of the template.
    """
    if not messages or messages[-1].role != "user":
        raise InputError("the prompt does not end with a user message", expected="… , user")
    return [
        token
        for segment in _encode(tokenizer, template, messages, generation_prompt=True)
        for token in segment.ids
    ]


def encode_segments(
    tokenizer: TokenizerLike, template: ChatTemplate, messages: Sequence[Message]
) -> list[Segment]:
    """A whole conversation: prompts and answers in turn, tokenised apart, to be joined by the caller.

    What comes before the last answer has exactly the ids of `encode_prompt(messages[:-1])`. The last
    segment ends with the template's end token.

    Raises:
        InputError: the messages do not end with the assistant's, or the roles do not alternate.
        ConfigError: the tokenizer lacks a special token of the template.
    """
    if not messages or messages[-1].role != "assistant":
        raise InputError("the conversation does not end with an answer", expected="… , user, assistant")
    segments = _encode(tokenizer, template, messages, generation_prompt=False)
    # A line break that a template writes after the last answer is neither trained nor ever sent.
    while segments and not segments[-1].trained:
        segments.pop()
    return segments


def end_token_id(tokenizer: TokenizerLike, template: ChatTemplate) -> int:
    """The id of the token that ends an answer."""
    return _special_id(tokenizer, template, template.end_token)


def _encode(
    tokenizer: TokenizerLike, template: ChatTemplate, messages: Sequence[Message], *, generation_prompt: bool
) -> list[Segment]:
    given = fold_system(messages) if template.folds_system else list(messages)
    contents = [message.content.strip() for message in given]
    answers = {index for index, message in enumerate(given) if message.role == "assistant"}
    holders = [
        message.model_copy(update={"content": f"{_OPEN}{index}{_CLOSE}"})
        for index, message in enumerate(given)
    ]
    text = render(template, holders, _bos(tokenizer, template), generation_prompt=generation_prompt)
    segments: list[Segment] = []
    for part, trained in _cut_at_answers(text, answers, template.end_token):
        ids = _encode_part(tokenizer, template, part, contents)
        if ids:
            segments.append(Segment(ids, trained))
    return segments


def _bos(tokenizer: TokenizerLike, template: ChatTemplate) -> str:
    if template.uses_bos and not tokenizer.bos_token:
        raise ConfigError(
            f"chat template {template.name} begins with BOS, which the model's tokenizer does not have",
            fix="choose the template that the model was made for (student.chat_template)",
        )
    return str(tokenizer.bos_token or "")


def _cut_at_answers(text: str, answers: set[int], end_token: str) -> Iterator[tuple[str, bool]]:
    """Cut rendered text before each answer and after the end token that follows it."""
    start = 0
    for match in _PLACE_HOLDER.finditer(text):
        if int(match[1]) in answers:
            end = text.index(end_token, match.end()) + len(end_token)
            yield text[start : match.start()], False
            yield text[match.start() : end], True
            start = end
    yield text[start:], False


def _encode_part(
    tokenizer: TokenizerLike, template: ChatTemplate, part: str, contents: Sequence[str]
) -> list[int]:
    tokens = [*template.special_tokens, *([str(tokenizer.bos_token)] if template.uses_bos else [])]
    specials = {token: _special_id(tokenizer, template, token) for token in tokens}
    cuts = re.compile("(" + "|".join(re.escape(token) for token in specials) + ")")
    ids: list[int] = []
    for piece in cuts.split(part):
        if piece in specials:
            ids.append(specials[piece])
        elif piece:
            filled = _PLACE_HOLDER.sub(lambda match: contents[int(match[1])], piece)
            ids += _text_ids(tokenizer, filled, specials)
    return ids


def _text_ids(tokenizer: TokenizerLike, text: str, specials: Mapping[str, int]) -> list[int]:
    """The ids of ordinary text: a special token that it spells out is cut into ordinary pieces."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    if found := sorted(token for token, index in specials.items() if index in ids):
        raise ConfigError(
            f"the model's tokenizer reads {', '.join(found)} in a message's text as a control token",
            expected="a tokenizer that honours split_special_tokens, as those of the tokenizers library do",
        )
    return ids


def _special_id(tokenizer: TokenizerLike, template: ChatTemplate, token: str) -> int:
    index = tokenizer.convert_tokens_to_ids(token)
    if index is None or index == tokenizer.unk_token_id:
        raise ConfigError(
            f"chat template {template.name} needs {token}, which the model's tokenizer does not have",
            fix="choose the template that the model was made for (student.chat_template)",
        )
    return int(index)

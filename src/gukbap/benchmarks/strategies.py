"""Prompt strategies: the few-shot messages that stand before a question."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from gukbap.errors import InputError
from gukbap.files import read_json
from gukbap.schemas import Message, Strategy

KNOWN_STRATEGIES: dict[str, Strategy] = {name: name for name in get_args(Strategy)}


def read_strategies(path: Path) -> dict[Strategy, list[Message]]:
    """The strategies of a JSON file {strategy: [{role, content}, …]}.

    Raises:
        InputError: the file is missing or malformed, a strategy is unknown, or its messages are not
            an optional system message followed by pairs of user and assistant.
    """
    values = read_json(path)
    if not isinstance(values, dict) or not values:
        raise InputError(f"{path} is no mapping of strategies", expected="{strategy: [messages]}")
    strategies: dict[Strategy, list[Message]] = {}
    for name, messages in values.items():
        if name not in KNOWN_STRATEGIES:
            raise InputError(
                f"{path}: unknown strategy {name!r}", expected=f"some of {', '.join(KNOWN_STRATEGIES)}"
            )
        strategies[KNOWN_STRATEGIES[name]] = few_shot(str(path), name, messages)
    return strategies


def few_shot(where: str, name: str, values: Any) -> list[Message]:
    """The messages of one strategy, checked: [] or an optional system message, then user and assistant.

    Args:
        where: the file they come from, for messages.
        name: the strategy.
        values: what stands there.

    Raises:
        InputError: something is no message, is empty, or stands in a wrong order.
    """
    try:
        messages = [Message.model_validate(value) for value in values]
    except (ValidationError, TypeError) as error:
        raise InputError(
            f"{where}: strategy {name!r} holds something that is no message",
            expected='a list of {"role": "system|user|assistant", "content": "…"}',
        ) from error
    for number, message in enumerate(messages, start=1):
        if not message.content.strip():
            raise InputError(
                f"{where}: strategy {name!r}: message {number} is empty", expected="text in every message"
            )
    roles = [message.role for message in messages]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if turns != ["user", "assistant"] * (len(turns) // 2):
        raise InputError(
            f"{where}: strategy {name!r} has the roles {', '.join(roles)}",
            expected="an optional system message, then pairs of user and assistant",
        )
    return messages

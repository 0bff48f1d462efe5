"""The quality filters: each looks at a row by itself and says what is wrong with it, or nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from gukbap.config import CleanConfig
from gukbap.config.cleaning import PersonalData
from gukbap.korean import eojeol_count
from gukbap.language import audit
from gukbap.language.prose import visible
from gukbap.schemas import Row
from gukbap.stages.clean.form import cut_off, leaked_markup
from gukbap.stages.clean.personal import personal_data
from gukbap.stages.generate.korean_signs import refuses, repeated_share

#: What is wrong with a row, in a few words; None: nothing.
Check = Callable[[Row], str | None]
TokenCounter = Callable[[str], int]

#: Of 1,459 answers of six models, those that went round in circles to the limit repeat 0.66 and more, all
#: others 0.44 and less: verses with a refrain, and sums that are worked out step by step.
MOST_REPEATED = 0.5
_SURROGATE = re.compile("[\ud800-\udfff]")
#: of a detail that quotes a row
_QUOTED_CHARS = 80


def build_filters(
    config: CleanConfig, words: Sequence[str] = (), count_tokens: TokenCounter | None = None
) -> list[tuple[str, Check]]:
    """The filters that are on, each under its reason, in the order in which they are asked.

    Args:
        config: which are on.
        words: toxic words.
        count_tokens: tokens of a text; needed where tokens are bound.
    """
    wanted: list[tuple[bool, str, Check]] = [
        (True, "broken_text", _broken),
        (True, "empty", _empty),
        (config.markup, "markup", _markup),
        (config.language, "language", _foreign),
        (config.min_hangul_share > 0, "hangul_share", partial(_little_hangul, config.min_hangul_share)),
        (config.repetition, "repetition", _repetition),
        (config.refusal_max_words > 0, "refusal", partial(_refusal, config.refusal_max_words)),
        (config.truncation, "truncation", _truncation),
        *((True, f"personal_{kind}", partial(_personal, kind)) for kind in config.personal_data),
        (bool(words), "toxic", partial(_toxic, _word_pattern(words))),
    ]
    if count_tokens is not None and config.counts_tokens:
        bounds = partial(_length, config.min_tokens or 0, config.max_tokens, count_tokens)
        wanted.append((True, "length", bounds))
    return [(reason, check) for on, reason, check in wanted if on]


def turns(row: Row) -> Iterator[tuple[str, str]]:
    """A row's questions, each with its answer; a question without one is none."""
    question = ""
    for message in row.messages:
        if message.role == "user":
            question = message.content
        elif message.role == "assistant":
            yield question, message.content


def _first(row: Row, check: Callable[[str, str], str | None]) -> str | None:
    found = next((found for found in (check(*turn) for turn in turns(row)) if found), None)
    return found[:_QUOTED_CHARS] if found else None


def mended(row: Row) -> Row:
    """A row that can be written: U+FFFD in place of each lone surrogate."""
    messages = [
        message.model_copy(update={"content": _SURROGATE.sub("\ufffd", message.content)})
        for message in row.messages
    ]
    return row.model_copy(update={"messages": messages})


def _broken(row: Row) -> str | None:
    broken = any(_SURROGATE.search(message.content) for message in row.messages)
    return "a lone surrogate, which no UTF-8 can hold" if broken else None


def _empty(row: Row) -> str | None:
    blank = (m.role for m in row.messages if m.role != "system" and not visible(m.content).strip("\0 \n\t\r"))
    role = next(blank, None)
    return f"a message of the {role} without text" if role else None


def _markup(row: Row) -> str | None:
    return _first(row, lambda question, answer: leaked_markup(question, answer, row.lineage.operation))


def _foreign(row: Row) -> str | None:
    def check(question: str, answer: str) -> str | None:
        found = audit(question, answer)
        return found.reason if found.verdict == "foreign" and _is_korean(question) else None

    return _first(row, check)


def _little_hangul(least: float, row: Row) -> str | None:
    def check(question: str, answer: str) -> str | None:
        found = audit(question, answer)
        little = found.verdict == "korean" and found.hangul_share < least and _is_korean(question)
        return f"{found.hangul_share:.0%} Hangul" if little else None

    return _first(row, check)


def _is_korean(question: str) -> bool:
    return audit("", question).verdict == "korean"


def _repetition(row: Row) -> str | None:
    most = max(repeated_share(message.content) for message in row.messages)
    return f"{most:.0%} stands there before" if most > MOST_REPEATED else None


def _refusal(most_words: int, row: Row) -> str | None:
    def check(question: str, answer: str) -> str | None:
        short = eojeol_count(answer) < most_words
        return answer if short and refuses(answer, question) else None

    return _first(row, check)


def _truncation(row: Row) -> str | None:
    return _first(row, lambda question, answer: cut_off(answer))


def _personal(kind: PersonalData, row: Row) -> str | None:
    found = (personal_data(message.content, kind) for message in row.messages)
    return next(filter(None, found), None)


def _length(least: int, most: int | None, count_tokens: TokenCounter, row: Row) -> str | None:
    tokens = sum(count_tokens(message.content) for message in row.messages)
    return f"{tokens} tokens" if tokens < least or (most is not None and tokens > most) else None


def _word_pattern(words: Sequence[str]) -> re.Pattern[str]:
    """Words at the beginning of an eojeol, whatever particle follows."""
    known = sorted({_folded(word) for word in words}, key=lambda word: (-len(word), word))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})")


def _toxic(words: re.Pattern[str], row: Row) -> str | None:
    found = (words.search(_folded(message.content)) for message in row.messages)
    return next((match[0] for match in found if match), None)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()

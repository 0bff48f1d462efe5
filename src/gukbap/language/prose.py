"""The prose of an answer: what is left once code, formulas, addresses, quotations and asides are out.

Every pattern is linear: what repeats is possessive, and an unclosed opener ends its own attempt.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from gukbap.korean import HANGUL_RANGES

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0]"
)
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)")
# Fences whose contents are the answer's own words, and fences whose contents hold words inside markup.
_TEXT_FENCES = frozenset({"markdown", "md", "text", "txt", "plaintext", "plain", "email", "letter", "latex"})
_MARKUP_FENCES = frozenset({"", "html", "xml", "json", "yaml", "yml", "csv", "jsonc", "json5", "toml"})

_STYLES = re.compile(r"<(?:style|script)\b(?:[^<]|<(?!/?(?:style|script)\b))*+</(?:style|script)>", re.I)
_TAG = re.compile(r"<[/!]?[A-Za-z-][^<>]*+>")
_KEY = re.compile(r'"[^"\n]{1,60}"[ \t]{0,4}:')
_MATHS = re.compile(
    r"\$\$[^$]*+\$\$"
    r"|\\\((?:[^\\]|\\(?![()]))*+\\\)"
    r"|\\\[(?:[^\\]|\\(?![\[\]]))*+\\\]"
    r"|\$(?=\S)[^$\n]{1,200}+(?<=\S)\$(?!\d)"
    r"|\\[A-Za-z]+"
)
_INLINE_CODE = re.compile(r"`[^`\n]++`")
_ADDRESS = re.compile(
    r"(?:https?://|www\.)[^\s<>()\[\]\"'가-힣]++|(?<![A-Za-z0-9._+-])[A-Za-z0-9._+-]++@[A-Za-z0-9.-]++"
)
_QUOTES = re.compile(
    r'"[^"\n]{1,300}+"|“[^“”\n]{1,300}+”|‘[^‘’\n]{1,300}+’|「[^「」\n]{1,300}+」|『[^『』\n]{1,300}+』'
    r"|《[^《》\n]{1,300}+》|〈[^〈〉\n]{1,300}+〉|«[^«»\n]{1,300}+»|(?<!\w)'[^'\n]{1,300}+'(?![A-Za-z])"
)
_ASIDE = re.compile(r"\([^()\n]{1,300}+\)|（[^（）\n]{1,300}+）|\[[^\[\]\n]{1,300}+\]")
_CODE_LINE = re.compile(
    r"[ \t]*(?:"
    r">>>|\.\.\. |[$%] |#include|//|/\*|import [\w.]+|from [\w.]+ import|def \w+\(|class \w+[:({]|return\b"
    r"|(?:public|private|static|const|let|var|func|fn|function|async|int|void|float|char)\b.*[=({]"
    r"|[\w.\[\]]+(?:[ \t]*,[ \t]*[\w.\[\]]+)*[ \t]*[-+*/]?=[ \t]*\S"
    r")",
    re.ASCII,
)
_BLOCK_LINE = re.compile(
    r"[ \t]*(?:else|try|(?:if|elif|while|for|with|switch|catch|except)\b.*[()=<>\[\]_.])"
)
# What no statement holds, but a list's item before a semicolon and a value in data do.
_FIVE_WORDS = re.compile(r"(?:\b[a-z]{2,}+,? ){4}[a-z]{2,}")
_CALL_LINE = re.compile(r"[ \t]*[\w.]+\(", re.ASCII)
_HANGUL = re.compile(f"[{HANGUL_RANGES}]")
_SENTENCE = re.compile(r"\n|(?<=[.!?。！？])[ \t]+|(?<=[。！？])")


class Layers(NamedTuple):
    """An answer taken apart: its text outside fences, and the text that fences with markup hold."""

    text: str
    fenced: str


def visible(text: str) -> str:
    """A text without characters that show nothing (joiners, marks of direction, Hangul fillers)."""
    return _INVISIBLE.sub("", text)


def layers(answer: str) -> Layers:
    """Separates fenced blocks; an unclosed fence reaches to the end, as Markdown has it.

    A fence of Markdown or plain text is prose. One of markup or data, or without a language, may hold
    prose and is kept apart. A fence of a programming language is dropped.
    """
    text: list[str] = []
    fenced: list[str] = []
    closer, sink = "", text
    for line in answer.splitlines():
        fence = _FENCE.match(line)
        if closer:
            if fence and fence[1].startswith(closer) and not fence[2]:
                closer = ""
            else:
                sink.append(line)
        elif fence and "`" not in line[fence.end() :]:
            closer, language = fence[1], fence[2].lower()
            sink = text if language in _TEXT_FENCES else fenced if language in _MARKUP_FENCES else []
        else:
            text.append(line)
    return Layers("\n".join(text), "\n".join(fenced))


def prose(text: str, *, strict: bool = True) -> str:
    """A text without markup, formulas, inline code, addresses and lines of code.

    With `strict`, quotations and what stands in brackets go too: a Korean sentence may quote English, and
    an English sentence that quotes Korean stays English.
    """
    for pattern in (_STYLES, _TAG, _KEY, _MATHS, _INLINE_CODE, _ADDRESS):
        text = pattern.sub(" ", text)
    if strict:
        for pattern in (_QUOTES, _ASIDE):
            text = pattern.sub(" ", text)
    return "\n".join(line for line in text.split("\n") if _HANGUL.search(line) or not _is_code(line.rstrip()))


def _is_code(line: str) -> bool:
    """Whether a line without Hangul, stripped at its end, is a statement of a programming language."""
    if line.endswith((";", "{", "}")):
        return not _FIVE_WORDS.search(line)
    if _CODE_LINE.match(line):
        return True
    if line.endswith(":"):
        return bool(_BLOCK_LINE.match(line))
    return line.endswith(")") and bool(_CALL_LINE.match(line))


def sentences(text: str) -> Iterator[str]:
    """Sentences of a text, at the ends of lines and after full stops."""
    return (part for part in _SENTENCE.split(text) if part and not part.isspace())

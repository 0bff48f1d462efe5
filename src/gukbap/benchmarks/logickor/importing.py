"""The import itself: upstream's files are checked, and a pack folder is written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gukbap import __version__
from gukbap.benchmarks.logickor.checks import (
    JUDGE_NAME,
    PER_CATEGORY,
    QUESTION_COUNT,
    QUESTIONS,
    STRATEGY_NAME,
    TEMPLATES,
    WITH_REFERENCE,
    Content,
    check,
)
from gukbap.benchmarks.logickor.github import GITHUB
from gukbap.benchmarks.logickor.sources import Upstream, read_source
from gukbap.benchmarks.packs import (
    CONTENT_FILES,
    JUDGE_FILE,
    QUESTIONS_FILE,
    RECORD_FILE,
    STRATEGIES_FILE,
    PackRecord,
    read_record,
)
from gukbap.errors import InputError
from gukbap.files import atomic_folder, canonical_json

NAME = "logickor"
#: name of a pack that --any-size let through: it must not pass for LogicKor in a table
ODD_NAME = "logickor-shaped"

_MOST_PROBLEMS = 100


@dataclass(frozen=True)
class Imported:
    """A pack that lies in its folder now."""

    path: Path
    record: PackRecord
    #: False where the same pack lay there already
    written: bool


def import_logickor(
    source: str, target: Path, *, any_size: bool = False, force: bool = False, github_url: str = GITHUB
) -> Imported:
    """Make an evaluation pack of LogicKor's questions, prompt strategies and judge templates.

    Args:
        source: a checkout, an archive, or a commit on GitHub.
        target: the pack folder.
        any_size: let other numbers of questions, categories and references through, as sets of one's
            own in LogicKor's shape have them; the pack is then named "logickor-shaped".
        force: replace another pack that lies in `target`; anything else there is never replaced.
        github_url: where GitHub is; another one is for tests alone.

    Raises:
        InputError: the source is not what LogicKor is (all that is wrong is named), or something else
            lies in the target's place. Nothing was written then.
        EndpointError: GitHub does not give the archive.
    """
    target = target.expanduser().resolve()
    existing = _existing(target, force)
    upstream = read_source(source, github_url)
    content = check(upstream.files, upstream.unusable)
    _refuse_mistakes(upstream, content, any_size)
    files = _files(content)
    record = _record(upstream, content, files)
    if existing is not None:
        if _what_matters(existing) == _what_matters(record):
            return Imported(target, existing, written=False)
        raise InputError(
            f"another pack lies in {target}: {_difference(existing, record)}",
            expected="a new folder, or one with the same pack",
            fix="choose another folder, or replace the pack with --force",
        )
    _write(target, files | {RECORD_FILE: _json(record.model_dump(mode="json"))})
    return Imported(target, record, written=True)


def _existing(target: Path, force: bool) -> PackRecord | None:
    """The pack that would be in the way; None where the place is free or may be taken."""
    if not target.exists():
        return None
    if not target.is_dir():
        raise InputError(f"{target} is a file", expected="a folder's name for the pack")
    names = {path.name for path in target.iterdir()}
    foreign = sorted(names - {*CONTENT_FILES, RECORD_FILE})
    if foreign or (names and RECORD_FILE not in names):
        what = ", ".join((foreign or sorted(names))[:3])
        raise InputError(
            f"{target} holds something that is no pack ({what}), which is never replaced",
            expected="a new or empty folder, or a pack",
            fix="choose another folder",
        )
    return read_record(target) if names and not force else None


def _refuse_mistakes(upstream: Upstream, content: Content, any_size: bool) -> None:
    sizes = [] if any_size else content.odd_sizes
    problems = upstream.problems + content.problems
    if not problems and not content.questions:
        problems.append(f"{QUESTIONS} holds no question")
    found = problems + sizes
    if not found:
        return
    shown = found[:_MOST_PROBLEMS]
    if len(found) > len(shown):
        shown.append(f"and {len(found) - len(shown)} more")
    raise InputError(
        f"{upstream.source} is not LogicKor as it was published; nothing was written:\n"
        + "\n".join(f"  - {problem}" for problem in shown),
        expected=f"{QUESTION_COUNT} two-turn questions, {PER_CATEGORY} in each of 6 categories, "
        f"{WITH_REFERENCE} with references; the literals {STRATEGY_NAME} and {JUDGE_NAME} in {TEMPLATES}",
        fix="for a set of your own in LogicKor's shape add --any-size"
        if sizes and not problems
        else "give an unchanged checkout or archive, or mend what is named",
    )


def _files(content: Content) -> dict[str, bytes]:
    strategies = {
        name: [message.model_dump(mode="json") for message in messages]
        for name, messages in content.strategies.items()
    }
    assert content.judge is not None  # its absence is a problem, which was refused
    lines = [canonical_json(question.model_dump(mode="json")) + "\n" for question in content.questions]
    return {
        QUESTIONS_FILE: "".join(lines).encode("utf-8"),
        STRATEGIES_FILE: _json(strategies),
        JUDGE_FILE: _json(content.judge.model_dump(mode="json")),
    }


def _record(upstream: Upstream, content: Content, files: Mapping[str, bytes]) -> PackRecord:
    return PackRecord.model_validate(
        {
            "name": ODD_NAME if content.odd_sizes else NAME,
            "source": upstream.source,
            "commit": upstream.commit,
            "upstream": _hashes(upstream.files),
            "files": _hashes(files),
            "questions": len(content.questions),
            "categories": content.categories,
            "with_reference": content.with_reference,
            "strategies": {name: len(messages) for name, messages in content.strategies.items()},
            "notes": [*upstream.notes, *content.notes, *content.odd_sizes],
            "gukbap_version": __version__,
        }
    )


def _hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}


def _what_matters(record: PackRecord) -> list[object]:
    """What makes a pack another one; from where it was imported, and by which version, does not."""
    return [record.name, record.commit, record.files]


def _difference(old: PackRecord, new: PackRecord) -> str:
    parts = [f"its {name} differs" for name, sha256 in new.files.items() if old.files.get(name) != sha256]
    if old.commit != new.commit:
        parts.append(f"its commit is {old.commit or 'unknown'}, not {new.commit or 'unknown'}")
    if old.name != new.name:
        parts.append(f"its name is {old.name}, not {new.name}")
    return "; ".join(parts)


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n").encode("utf-8")


def _write(target: Path, files: Mapping[str, bytes]) -> None:
    try:
        with atomic_folder(target) as folder:
            for name, content in files.items():
                (folder / name).write_bytes(content)
    except OSError as error:
        raise InputError(
            f"{target} cannot be written ({error.strerror})", fix="choose a folder that may be written"
        ) from error

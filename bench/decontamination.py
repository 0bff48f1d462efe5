"""Decontamination beside n-gram overlap, on evaluation prompts that were perturbed and planted.

    python bench/decontamination.py [--pack PATH|own] [--rows 50000] [--similarity SHARE]

Each prompt of the pack is perturbed in six ways (bench/leaks.py) and planted into rows of other text: as the
instruction, inside of the answer, or as a later turn. Among the rows are twins of the prompts, with other
nouns and numbers. Printed are the share found of each perturbation, the share of innocent rows that would be
dropped, and rows a second. Peers, as their published scripts have them: a shared run of 8 words (open-r1,
s1) and of 13 words (GPT-3); and Jaccard similarity of character 5-grams from 0.4 on.

The pack is LogicKor's where ../shared/data has it, else the project's own, on which thresholds were fixed.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.korean_rows import planted_rows, row
from bench.leaks import PERTURBATIONS, twin
from gukbap.benchmarks import load_questions
from gukbap.benchmarks.evaluated import EvaluatedAnswers
from gukbap.benchmarks.packs import BUNDLED_PACK
from gukbap.config import CleanConfig, GenerateConfig
from gukbap.files import read_jsonl
from gukbap.schemas import EvaluationText, Message, Question, Row
from gukbap.stages.clean.leaks import Decontaminator
from gukbap.stages.generate import load_seeds

_SHARED = Path(__file__).parents[2] / "shared" / "data" / "logickor"
_PLACES = ("instruction", "answer", "second turn")
TWIN, OTHER = "twin", "innocent"

Detector = Callable[[Sequence[Row]], list[bool]]


@dataclass(frozen=True)
class Planted:
    """Rows, and what each of them is: a perturbation, a twin or innocent."""

    rows: list[Row]
    kinds: list[str]


def questions(pack: str) -> list[Question]:
    """The questions of a pack: "own", or a path."""
    return load_questions(BUNDLED_PACK if pack == "own" else pack, None)


def prompts(asked: Sequence[Question]) -> list[EvaluationText]:
    """Both turns of all questions."""
    return [
        EvaluationText(id=f"question {one.id} turn {turn}", text=text)
        for one in asked
        for turn, text in enumerate(one.questions, start=1)
    ]


@dataclass(frozen=True)
class Others:
    """Real instructions and answers that have nothing to do with the pack."""

    instructions: list[str]
    answers: list[str]


def seeds() -> Others:
    """The project's seeds, as instructions and as answers."""
    texts = [seed.instruction for seed in load_seeds(GenerateConfig())]
    return Others(texts, texts)


def others(pack: str) -> Others:
    """The seeds; beside LogicKor's pack the own one, beside the own one LogicKor's stored answers."""
    given = seeds().instructions
    if pack != "own":
        own = questions("own")
        answers = [text for one in own for text in one.references if text]
        return Others([*given, *(text for one in own for text in one.questions)], [*answers, *given])
    files = sorted(_SHARED.glob("evaluated/*/*/default.jsonl"))
    lines = [line for file in files for line in read_jsonl(file, EvaluatedAnswers)]
    answers = [text for line in lines for text in line.outputs]
    return Others([*given, *(text for line in lines[:42] for text in line.questions)], answers or given)


def planted(texts: Sequence[EvaluationText], other: Others, count: int, seed: int) -> Planted:
    """`count` rows, six of each prompt and a twin of each among them, in a drawn order."""
    draw = random.Random(seed)
    frames = iter(planted_rows(count, seed))

    def innocent(number: int) -> Row:
        base = next(frames)
        asked = draw.choice(other.instructions) if number % 4 == 0 else base.instruction
        told = " ".join([base.instruction, *draw.choices(other.answers, k=2)])
        return row(f"row-{number}", asked, told)

    made: list[tuple[str, Row]] = []
    for text in texts:
        for name, perturb in PERTURBATIONS.items():
            changed = perturb(text.text, draw)
            made.append((name, _with(innocent(len(made)), changed, _PLACES[len(made) % len(_PLACES)])))
        made.append((TWIN, _with(innocent(len(made)), twin(text.text, draw), "instruction")))
    made += [(OTHER, innocent(number)) for number in range(len(made), count)]
    draw.shuffle(made)
    return Planted([one for _, one in made], [kind for kind, _ in made])


def _with(host: Row, text: str, place: str) -> Row:
    asked, told = host.messages[0].content, host.messages[1].content
    if place == "instruction":
        turns = [text, told]
    elif place == "answer":
        turns = [asked, f"{asked} {text} {told}"]
    else:
        turns = [asked, told, text, told]
    messages = [
        Message(role="user" if number % 2 == 0 else "assistant", content=content)
        for number, content in enumerate(turns)
    ]
    return host.model_copy(update={"messages": messages})


def _words(text: str, length: int) -> set[str]:
    words = text.lower().split()
    return {" ".join(words[start : start + length]) for start in range(len(words) - length + 1)}


def by_words(texts: Sequence[EvaluationText], length: int) -> Detector:
    """A row is found where it shares a run of so many words with a prompt."""
    known = set().union(*(_words(text.text, length) for text in texts))
    return lambda rows: [
        any(known & _words(message.content, length) for message in one.messages) for one in rows
    ]


def by_jaccard(texts: Sequence[EvaluationText], least: float) -> Detector:
    """A row is found where a message reaches a Jaccard similarity of character 5-grams to a prompt."""

    def grams(text: str) -> set[str]:
        bare = "".join(filter(str.isalnum, text.lower()))
        return {bare[start : start + 5] for start in range(len(bare) - 4)}

    known = [grams(text.text) for text in texts]
    holders: dict[str, list[int]] = {}
    for number, one in enumerate(known):
        for gram in one:
            holders.setdefault(gram, []).append(number)

    def found(message: Message) -> bool:
        own = grams(message.content)
        shared = Counter(number for gram in own if gram in holders for number in holders[gram])
        return any(count >= least * len(own | known[number]) for number, count in shared.items())

    return lambda rows: [any(map(found, one.messages)) for one in rows]


def ours(texts: Sequence[EvaluationText], similarity: float) -> Detector:
    """The project's."""
    return lambda rows: [leak is not None for leak in Decontaminator(texts, similarity).leaks(rows)]


def _report(name: str, detect: Detector, given: Planted) -> float:
    start = time.perf_counter()
    found = detect(given.rows)
    seconds = time.perf_counter() - start
    hits = Counter(kind for kind, hit in zip(given.kinds, found, strict=True) if hit)
    counts = Counter(given.kinds)
    shares = [hits[kind] / counts[kind] for kind in PERTURBATIONS]
    leaked = sum(counts[kind] for kind in PERTURBATIONS)
    total = sum(hits[kind] for kind in PERTURBATIONS) / leaked
    innocent = counts[OTHER] + counts[TWIN]
    print(
        f"{name:22s}" + "".join(f"{share:8.1%}" for share in shares) + f"{total:8.1%}"
        f"{hits[OTHER]:8d}{hits[TWIN]:5d}/{counts[TWIN]}{(hits[OTHER] + hits[TWIN]) / innocent:9.3%}"
        f"{len(given.rows) / seconds:9.0f}"
    )
    return total


def main() -> None:
    """Run all detectors on the same rows and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    shared = _SHARED / "questions.jsonl"
    parser.add_argument("--pack", default=str(shared) if shared.exists() else "own")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--similarity", type=float, default=CleanConfig().similarity)
    arguments = parser.parse_args()
    texts = prompts(questions(arguments.pack))
    given = planted(texts, others(arguments.pack), arguments.rows, arguments.seed)
    size = sum(len(message.content) for one in given.rows for message in one.messages)
    print(f"{len(texts)} prompts, {len(given.rows)} rows of {size / len(given.rows):.0f} characters")
    head = [name.split()[0] for name in PERTURBATIONS]
    columns = "".join(f"{name[:7]:>8s}" for name in head)
    print(f"{'found':22s}{columns}     all    false  twins  of rows   rows/s")
    own = _report("gukbap", ours(texts, arguments.similarity), given)
    peer = _report("8 words (open-r1, s1)", by_words(texts, 8), given)
    _report("13 words (GPT-3)", by_words(texts, 13), given)
    _report("char-5 Jaccard ≥ 0.4", by_jaccard(texts, 0.4), given)
    print(f"found, gukbap / 8 words: {own / peer if peer else float('inf'):.2f}")


if __name__ == "__main__":
    main()

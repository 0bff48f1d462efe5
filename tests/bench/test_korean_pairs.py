"""The dedup benchmark's generator: natural particles, labels that hold, the same corpus every time."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from bench.korean_pairs import duplicates, twins
from bench.korean_pairs.corpus import Corpus, Pair, labelled_corpus
from bench.korean_pairs.particles import attached, marked, resolved
from bench.korean_pairs.scores import scores
from bench.korean_pairs.styles import STYLES, negated, styled
from bench.korean_pairs.synonyms import swapped
from bench.korean_pairs.texts import WORDS

GIVEN = ("서울에서 부산으로 가는 기차는 3시간마다 있습니다. 표를 만들어 주세요.", "반복문을 설명해 주세요.")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return labelled_corpus(2_000, 5, GIVEN)


def pairs_of(corpus: Corpus, kind: str) -> list[Pair]:
    return [group.pair for group in corpus.groups if group.pair and group.pair.kind == kind]


# Words that end like a noun with the wrong particle, and are none.
_WHOLE_WORDS = {
    *("있는", "없는", "찾는", "먹는", "맞는", "묻는", "겪는", "읽는", "남는", "들를"),
    *("마을", "바닷가", "사과", "경로", "다은", "가은", "오이", "오이랑", "노르웨이"),
    *("번역가", "작곡가", "작가", "건축가", "창업가"),
}
_PARTICLE = re.compile(r"([가-힣]+?)(을|를|은|는|이|가|과|와|으로|로|이랑|랑)(?=[\s,.?!\"']|$)")
_AFTER_CONSONANT = ("을", "은", "이", "과", "으로", "이랑")


def wrong_particles(text: str) -> Iterator[str]:
    """Words whose particle does not fit the syllable before it, told by the letters of that syllable."""
    for found in _PARTICLE.finditer(text):
        letters = unicodedata.normalize("NFD", found[1][-1])
        closed = len(letters) == 3 and not (found[2] in ("로", "으로") and letters[2] == "ᆯ")
        if closed != (found[2] in _AFTER_CONSONANT) and found[0] not in _WHOLE_WORDS:
            yield found[0]


def test_particles_fit_in_every_text(corpus: Corpus) -> None:
    assert list(wrong_particles("서울으로 사과을 배과 물를")) == ["서울으로", "사과을", "배과", "물를"]
    broken_on_purpose = {"typo", "spacing", "two kinds", "jamo", "NFD", "full width", "invisible"}
    texts = set(corpus.texts)
    for group in corpus.groups:
        if group.pair and group.pair.kind in broken_on_purpose:
            texts.remove(group.pair.other)
    assert Counter(word for text in texts for word in wrong_particles(text)) == {}


def test_particles_follow_what_is_read_not_what_is_written() -> None:
    frame = "{}|를 {}|로 {}|와"
    words = ("C#", "JSON", "3"), ("서울", "CSV", "10")
    assert [resolved(marked(frame).format(*three)) for three in words] == [
        "C#을 JSON으로 3과",
        "서울을 CSV로 10과",
    ]
    assert (attached("'물'", "로"), attached("'책'", "라는")) == ("'물'로", "'책'이라는")
    with pytest.raises(ValueError, match="no reading"):
        attached("QWERTZ", "를")
    assert swapped("까닭을 묻는 까닭, 까닭에", "까닭", "이유") == "이유를 묻는 이유, 이유에"


def test_every_level_of_speech() -> None:
    text = "책이 있습니다. 저는 교사입니다. 무엇을 하나요? 써 주세요."
    assert {style: styled(text, style) for style in STYLES} == {
        "polite": text,
        "formal": "책이 있습니다. 저는 교사입니다. 무엇을 합니까? 써 주십시오.",
        "casual": "책이 있어. 저는 교사야. 무엇을 해? 써 줘.",
        "friend": "책이 있어. 저는 교사야. 무엇을 해? 써 줄래?",
        "would you": "책이 있어요. 저는 교사예요. 무엇을 하나요? 써 주시겠어요?",
        "could you": "책이 있어요. 저는 교사예요. 무엇을 하나요? 써 주실 수 있나요?",
        "hope": "책이 있습니다. 저는 교사입니다. 무엇을 합니까? 써 주시기 바랍니다.",
    }
    assert negated("골라 주세요.") == "고르지 말아 주세요."
    assert negated("표로 정리하지 말아 주세요.") == "표로 정리해 주세요."
    assert negated("무엇인가요?") is None


def test_no_text_stands_twice_and_every_kind_on_both_halves(corpus: Corpus) -> None:
    assert len(set(corpus.texts)) == len(corpus.texts) > 2_800
    assert sorted(row for group in corpus.groups for row in group.rows) == list(range(len(corpus.texts)))
    for group in corpus.groups:
        if group.pair:
            assert [corpus.texts[row] for row in group.rows] == [group.pair.one, group.pair.other]
    for half in ("tuning", "reported"):
        kinds = Counter(group.pair.kind for group in corpus.groups if group.pair and group.half == half)
        assert set(kinds) == {*duplicates.KINDS, *twins.KINDS}
        assert min(kinds.values()) >= 5


def test_the_corpus_follows_from_the_seed_alone() -> None:
    code = (
        "import json, sys; from bench.korean_pairs.corpus import labelled_corpus; "
        "corpus = labelled_corpus(200, 5); "
        "json.dump([corpus.texts, [group.rows for group in corpus.groups]], sys.stdout)"
    )
    digests = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
        digests.add(hashlib.sha256(done.stdout).hexdigest())
    here = labelled_corpus(200, 5)
    assert json.loads(done.stdout)[0] == list(here.texts)
    assert len(digests) == 1
    assert labelled_corpus(200, 6).texts != here.texts


def letters(text: str) -> str:
    """What is left of a text without its spelling: no spaces, signs, emoji, laughter or width."""
    text = re.sub("[\u200b\u200d\ufeff\u00ad\u2060]|[ㅠㅎㅋ]", "", text)
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text)))


def counted(text: str) -> str:
    words = {"두": "2", "세": "3", "네": "4", "다섯": "5", "여섯": "6", "일곱": "7"}
    return re.sub("(두|세|네|다섯|여섯|일곱) ", lambda found: words[found[1]], text.replace(",", ""))


def spelled(text: str) -> str:
    return "".join(chr(ord(letter)) for letter in unicodedata.normalize("NFKD", text))


def word_bag(text: str) -> str:
    return " ".join(sorted(text.split()))


@pytest.mark.parametrize(
    ("kind", "equal"),
    [
        ("NFD", letters),
        ("full width", letters),
        ("invisible", letters),
        ("punctuation", letters),
        ("spacing", letters),
        ("number form", counted),
        ("clauses", word_bag),
    ],
)
def test_duplicates_say_the_same_letters(corpus: Corpus, kind: str, equal: Callable[[str], str]) -> None:
    for pair in pairs_of(corpus, kind):
        assert pair.one != pair.other
        assert equal(pair.one) == equal(pair.other)


def test_duplicates_of_words_change_few_letters(corpus: Corpus) -> None:
    for kind in ("particles", "synonym", "typo", "jamo", "courtesy"):
        for pair in pairs_of(corpus, kind):
            shared = Counter(pair.one) & Counter(pair.other)
            assert sum(shared.values()) >= 0.6 * min(len(pair.one), len(pair.other)), pair
    for pair in pairs_of(corpus, "courtesy"):
        assert pair.one in pair.other


def found_words(words: tuple[str, ...]) -> Callable[[str], list[str]]:
    pattern = re.compile("|".join(sorted(map(re.escape, words), key=len, reverse=True)))
    return pattern.findall


@pytest.mark.parametrize(
    ("kind", "decisive"),
    [
        ("number", re.compile(r"\d+").findall),
        ("number word", re.compile("(두|세|네|다섯|여섯|일곱) ").findall),
        ("date", found_words((*WORDS["weekday"], *WORDS["month"], *(f"{day}일" for day in WORDS["day"])))),
        ("language", found_words((*WORDS["programming"], *WORDS["tongue"], *WORDS["format"]))),
        ("names", found_words(WORDS["name"])),
        ("negation", re.compile("지 말아").findall),
    ],
)
def test_twins_differ_in_what_they_say_they_do(
    corpus: Corpus, kind: str, decisive: Callable[[str], list[str]]
) -> None:
    for pair in pairs_of(corpus, kind):
        assert decisive(pair.one) != decisive(pair.other), pair


def test_twins_of_direction_name_the_same_things(corpus: Corpus) -> None:
    words = found_words(tuple(word for kind in WORDS.values() for word in kind if len(word) > 1))
    for pair in pairs_of(corpus, "direction"):
        assert pair.one != pair.other
        assert set(words(pair.one)) == set(words(pair.other))


def test_scores_count_rows_by_their_labels(corpus: Corpus) -> None:
    nothing = scores(corpus, set(), "tuning")
    assert (nothing.total_recall, nothing.innocents, nothing.total_twins, nothing.lost) == (0, 0, 0, 0)
    everything = scores(corpus, set(range(len(corpus.texts))), "tuning")
    assert (everything.total_recall, everything.innocents, everything.lost) == (1, 1, 1)
    right = {
        group.rows[1]
        for group in corpus.groups
        if group.pair and group.pair.label == "duplicate" and group.half == "tuning"
    }
    told = scores(corpus, right, "tuning")
    assert (told.total_recall, told.innocents, told.total_twins, told.lost) == (1, 0, 0, 0)
    assert scores(corpus, right, "reported").total_recall == 0

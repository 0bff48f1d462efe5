"""Which seeds are new, by their texts, where a data set grows."""

from __future__ import annotations

from gukbap.config import GenerateConfig
from gukbap.schemas import Seed
from gukbap.stages.generate import as_many_as_there_are, draw_seeds, new_seeds, strangers


def seed(name: str, text: str, category: str = "everyday") -> Seed:
    return Seed(id=name, category=category, instruction=text)


EVOLVED = [seed("1", "집에서 두부를 만드는 방법은?"), seed("2", "국밥의 유래를 알려 주세요.")]


def test_a_text_that_was_evolved_is_known_under_any_name_and_spacing() -> None:
    given = [seed("other", "집에서  두부를 만드는 방법은？ "), seed("3", "김치는 왜 시어지나요?")]
    found = new_seeds(given, EVOLVED)
    assert (found.seeds, found.known, found.renamed) == ([given[1]], 1, 0)


def test_a_new_text_under_a_name_that_is_taken_gets_one_of_its_own() -> None:
    """A line that was mended; and once more, when that is known, too."""
    given = [seed("1", "집에서 두부를 만드는 방법을 알려 주세요.")]
    found = new_seeds(given, EVOLVED)
    [renamed] = found.seeds
    assert (renamed.instruction, found.renamed) == (given[0].instruction, 1)
    assert renamed.id.startswith("1~")
    assert new_seeds(given, EVOLVED).seeds == [renamed]
    assert new_seeds(given, [*EVOLVED, renamed]).seeds == []


def test_strangers_share_neither_text_nor_name() -> None:
    given = [seed("1", "새 글"), seed("3", EVOLVED[1].instruction), seed("4", "또 다른 새 글")]
    assert strangers(given, EVOLVED) == [given[2]]


def test_fewer_new_seeds_than_are_asked_for_are_all_drawn() -> None:
    given = [seed(str(n), f"{n}번째 글", "math" if n % 2 else "writing") for n in range(5)]
    many, few = GenerateConfig(seed_count=14), GenerateConfig(seed_count=3)
    quota = GenerateConfig(seed_quota={"math": 9, "coding": 4})
    for config, count in ((many, 5), (few, 3), (quota, 2)):
        assert len(draw_seeds(as_many_as_there_are(config, given), given, 42)) == count
    assert len(draw_seeds(as_many_as_there_are(quota, []), [], 42)) == 0

"""The report's files: what stands in them, with everything there and with parts missing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from gukbap.errors import InputError
from gukbap.schemas import CATEGORIES
from gukbap.stages.report import Baseline, RunFacts, build_facts, report
from gukbap.stages.report.pages import SCRIPTED_BANNER, TEACHER_BANNER
from tests.stages.report import samples

FILES = ["data_card.md", "model_card.md", "report.html", "report.md", "scores.json"]


def _facts(*overrides: str, name: str = "smoke") -> RunFacts:
    return build_facts(
        samples.recipe(*overrides, name=name), statistics=samples.statistics(), rows=samples.rows()
    )


def _written(facts: RunFacts, judged: list[Any], folder: Path) -> dict[str, str]:
    report(facts, judged, folder)
    assert sorted(path.name for path in folder.iterdir()) == FILES
    return {name: (folder / name).read_text() for name in FILES}


class _Page(HTMLParser):
    """Tags with their attributes, ids, and whether every element is closed in order."""

    VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    judged = samples.judgements(unscored_every=7)
    first = _written(_facts(), judged, tmp_path / "a")
    code = (
        "import sys; from pathlib import Path; from tests.stages.report import samples\n"
        "from gukbap.stages.report import build_facts, report\n"
        "facts = build_facts(samples.recipe(), statistics=samples.statistics(), rows=samples.rows())\n"
        "report(facts, samples.judgements(unscored_every=7), Path(sys.argv[1]))\n"
    )
    # Another process has other hash seeds and another time.
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "b")], check=True, cwd=Path(__file__).parents[3]
    )
    assert {name: (tmp_path / "b" / name).read_text() for name in FILES} == first
    assert not any(str(tmp_path) in text for text in first.values())


def test_the_page_stands_alone_and_is_well_formed(tmp_path: Path) -> None:
    page = _Page(_written(_facts(), samples.judgements(), tmp_path)["report.html"])
    names = [tag for tag, _ in page.tags]
    assert names.count("svg") == 7
    assert not {"script", "link", "img", "iframe"} & set(names)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.tags:
        for key in ("href", "xlink:href", "src"):
            assert (attributes.get(key) or "#").startswith("#")
            assert (attributes.get(key) or "#x")[1:] in {*ids, "x"}


def test_every_plot_has_a_description_with_its_numbers(tmp_path: Path) -> None:
    page = _Page(_written(_facts(), samples.judgements(), tmp_path)["report.html"])
    described = [str(found["aria-label"]) for _, found in page.tags if found.get("role") == "img"]
    assert len(described) == 7
    assert sum("추론" in text and "overall" in text for text in described) == 3
    (radar,) = [text for text in described if text.startswith("Categories, strategy default")]
    assert radar.count("글쓰기") == 2
    (forest,) = [text for text in described if text.startswith("Overall with its 95% interval")]
    assert forest.count("tuned") == forest.count("base") == 3
    assert any("48 kept, 14 dropped" in text for text in described)
    assert any("2.900 at step 0" in text for text in described)


def test_every_stage_and_step_is_told(tmp_path: Path) -> None:
    texts = _written(_facts(), samples.judgements(), tmp_path)
    for text in ("infer tuned default", "judge tuned-default", "answers 12", "judgements 24", "train rows"):
        assert text in texts["report.html"]
        assert text in texts["report.md"]


def test_plots_follow_the_page_and_keep_korean_as_text(tmp_path: Path) -> None:
    text = _written(_facts(), samples.judgements(), tmp_path)["report.html"]
    start = text.index("<svg", text.index("Categories, strategy"))
    plot = text[start : text.index("</svg>", start)]
    assert ">글쓰기</text>" in plot
    assert "var(--tuned)" in plot
    assert "var(--ink)" in plot
    assert not re.search(r"#(0[1-8])\1\1", text)
    assert "<dc:date>" not in text


def test_text_of_models_cannot_leave_its_place(tmp_path: Path) -> None:
    evil = "</dd><script>alert(1)</script> {{ 7 * 7 }}\n````\n# Not a heading"
    gone = {"id": "b", "text": "<b>|gone", "reason": "near", "similarity": 0.5, "edit_similarity": 0.91}
    cluster = {"kept_id": "a", "kept": "<i>|stays", "size": 2, "removed": [gone]}
    dedup = {"kept": 1, "removed_by_reason": {"<i>|x|": 3}, "cluster_sample": [cluster]}
    facts = build_facts(
        samples.recipe(),
        statistics={**samples.statistics(), "dedup": dedup},
        rows=[samples.row("a", evil, None)],
    )
    judged = [one.model_copy(update={"judge": "<b>judge|"}) for one in samples.judgements()]
    texts = _written(facts, judged, tmp_path)
    page = _Page(texts["report.html"])
    assert not {"script", "i", "b"} & {tag for tag, _ in page.tags}
    assert evil in page.words
    fenced = re.search(r"^(`{5})text\n(.*?)\n\1$", texts["report.md"], re.DOTALL | re.MULTILINE)
    assert fenced is not None
    assert fenced[2] == evil
    assert r"\<i\>\|x\| 3" in texts["report.md"]
    assert r"| \<i\>\|stays | 2 | \<b\>\|gone | 0.91 |" in texts["report.md"]
    assert "<b>|gone (near, edit similarity 0.91)" in page.words


@pytest.mark.parametrize(
    ("name", "expected"), [("smoke", [SCRIPTED_BANNER]), ("local", [TEACHER_BANNER]), ("gukbap", [])]
)
def test_banners_stand_above_every_number(name: str, expected: list[str], tmp_path: Path) -> None:
    overrides = (
        ["teacher.model=bundled://qwen2.5-coder-1.5b-instruct", "judge.endpoint.model=file://other.gguf"]
        if name == "gukbap"
        else []
    )
    facts = _facts(*overrides, name="smoke" if name == "gukbap" else name)
    texts = _written(facts, samples.judgements(), tmp_path)
    for file in ("report.html", "report.md", "model_card.md"):
        found = [text for text in (SCRIPTED_BANNER, TEACHER_BANNER) if text in texts[file]]
        assert found == expected
        for text in found:
            told = texts[file].partition("\n---\n")[2] if file == "model_card.md" else texts[file]
            assert told.index(text) < told.index("추론")
    flags = json.loads(texts["scores.json"])
    assert flags["scripted"] is (SCRIPTED_BANNER in expected)
    assert flags["judge_is_teacher"] is (TEACHER_BANNER in expected)


@pytest.mark.parametrize("missing", ["generate", "dedup", "split", "train"])
def test_any_statistics_may_be_missing(missing: str, tmp_path: Path) -> None:
    there = {key: value for key, value in samples.statistics().items() if key != missing}
    facts = build_facts(samples.recipe(), statistics=there, rows=samples.rows())
    text = _written(facts, samples.judgements(), tmp_path)["report.html"]
    assert (">Training</h2>" in text) is (missing != "train")
    assert (">refusal</td>" in text) is (missing != "generate")


def test_nothing_at_all_still_gives_a_report(tmp_path: Path) -> None:
    texts = _written(build_facts(samples.recipe(), statistics={}), [], tmp_path)
    _Page(texts["report.html"])
    assert "No answer was judged" in texts["report.html"]
    assert "No answer was judged" in texts["model_card.md"]
    assert json.loads(texts["scores.json"])["table"]["rows"] == []


def test_one_subject_alone_has_no_difference(tmp_path: Path) -> None:
    texts = _written(_facts(), samples.judgements(["base"], ["default"]), tmp_path)
    assert json.loads(texts["scores.json"])["differences"] == []
    assert "minus" not in texts["report.md"]


def test_nothing_scored_is_a_dash_and_not_a_zero(tmp_path: Path) -> None:
    texts = _written(_facts(), samples.judgements(unscored_every=1), tmp_path)
    document = json.loads(texts["scores.json"])
    assert document["scores"]["tuned"]["default"] == {
        "overall": None,
        "single": None,
        "multi": None,
        "coverage": 0.0,
    }
    line, _ = [line for line in texts["report.md"].split("\n") if line.startswith("| tuned | 1-shot")]
    assert line.split(" | ")[2:12] == ["–"] * 10
    assert "nothing can be compared" in texts["report.html"]
    assert "no score in the reply: 144" in texts["report.html"]


def test_scores_json_holds_what_the_table_shows(tmp_path: Path) -> None:
    texts = _written(_facts(), samples.judgements(), tmp_path)
    document = json.loads(texts["scores.json"])
    row = next(
        row
        for row in document["table"]["rows"]
        if (row["subject"], row["strategy"]) == ("tuned", "cot-1-shot")
    )
    assert list(row["categories"]) == sorted(CATEGORIES)
    assert document["scores"]["tuned"]["cot-1-shot"]["overall"] == row["overall"]
    assert f'<td class="strong">{row["overall"]:.2f}</td>' in texts["report.html"]
    (difference,) = [one for one in document["differences"] if one["strategy"] == "cot-1-shot"]
    assert document["difference"]["cot-1-shot"] == difference["difference"]
    base = document["scores"]["base"]["cot-1-shot"]["overall"]
    assert difference["difference"] == pytest.approx(row["overall"] - base)
    assert "cot-1-shot: tuned minus base is" in texts["report.html"]
    assert document["recipe"] == {"name": "smoke", "hash": samples.recipe().hash}


def test_two_judges_in_one_row_are_refused(tmp_path: Path) -> None:
    judged = samples.judgements(["base"], ["default"])
    judged[0] = judged[0].model_copy(update={"judge": "another"})
    with pytest.raises(InputError, match="judge"):
        report(_facts(), judged, tmp_path)


def test_the_page_says_when_plots_cannot_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_WithoutMatplotlib(), *sys.meta_path])
    text = _written(_facts(), samples.judgements(), tmp_path)["report.html"]
    assert "<svg" not in text
    assert "matplotlib is not installed" in text


class _WithoutMatplotlib:
    def find_spec(self, name: str, *_: object) -> None:
        if name.split(".")[0] == "matplotlib":
            raise ModuleNotFoundError(f"No module named {name!r}", name="matplotlib")


def test_the_model_card_begins_with_metadata(tmp_path: Path) -> None:
    facts = _facts(
        "student.model=hf://mistralai/Mistral-7B-Instruct-v0.2@abc", 'card_facts={"gpu": "4 × A100"}'
    )
    card = _written(facts, samples.judgements(), tmp_path)["model_card.md"]
    _, front, body = card.split("---\n", 2)
    assert yaml.safe_load(front)["base_model"] == "mistralai/Mistral-7B-Instruct-v0.2"
    assert "loss (validation, answers): 2.9000 at step 0, 1.7000 at step 40" in body
    assert body.index("## Published, not measured here") < body.index("- gpu: 4 × A100")


def test_importing_the_report_does_not_import_matplotlib() -> None:
    code = "import sys, gukbap.stages.report; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def _baseline(**values: Any) -> Baseline:
    texts = {(one.slot): one for one in samples.judgements(["tuned"], ["default"])}
    judged = [
        one.model_copy(update={"subject": "org/<b>model|", "score": 9.0, **values}) for one in texts.values()
    ]
    return Baseline(judged)


def test_baselines_stand_beside_the_run_s_rows(tmp_path: Path) -> None:
    report(_facts(), samples.judgements(), tmp_path, [_baseline(judge="not recorded", invented=True)])
    text = (tmp_path / "report.html").read_text()
    page = _Page(text)
    assert "b" not in {tag for tag, _ in page.tags}
    assert "org/<b>model| (imported; judge not recorded)" in page.words
    assert not any("minus org" in words for words in page.words)
    assert any("24 of 24 scores are zeros that no judge gave" in words for words in page.words)
    assert (
        r"| org/\<b\>model\| (imported; judge not recorded) | default |"
        in (tmp_path / "report.md").read_text()
    )
    described = [str(found["aria-label"]) for _, found in page.tags if found.get("role") == "img"]
    assert sum("org/<b>model|: 추론 9.00" in text for text in described) == 1
    document = json.loads((tmp_path / "scores.json").read_text())
    assert {row["subject"] for row in document["table"]["rows"]} == {"base", "tuned"}
    assert [row["overall"] for row in document["baselines"]["rows"]] == [9.0]


def test_a_baseline_of_the_same_judge_is_compared(tmp_path: Path) -> None:
    report(_facts(), samples.judgements(), tmp_path, [_baseline()])
    assert any(
        "default: tuned minus org/<b>model| is -" in words
        for words in _Page((tmp_path / "report.html").read_text()).words
    )
    (one,) = json.loads((tmp_path / "scores.json").read_text())["against_baselines"]
    assert one["verdict"] == "worse"


def test_what_the_judge_said_cannot_leave_its_place(tmp_path: Path) -> None:
    evil = "</dd><script>alert(1)</script>\n````\n# Not a heading"
    judged = [one.model_copy(update={"comment": evil, "answer": evil}) for one in samples.judgements()]
    texts = _written(_facts(), judged, tmp_path)
    page = _Page(texts["report.html"])
    assert "script" not in {tag for tag, _ in page.tags}
    assert evil in page.words
    outside = re.sub(r"^(`{3,})\w*\n.*?\n\1$", "", texts["report.md"], flags=re.DOTALL | re.MULTILINE)
    assert "Not a heading" not in outside


def test_a_wavering_judge_is_told_with_its_standard_error(tmp_path: Path) -> None:
    first = samples.judgements(["tuned"], ["default"])
    second = [
        one.model_copy(update={"sample": 2, "score": max((one.score or 0.0) - 4, 0.0)}) for one in first
    ]
    texts = _written(_facts(), [*first, *second], tmp_path)
    for name in ("report.html", "report.md"):
        assert "verdicts on one answer: " in texts[name]
        assert "from the judge&#39;s wavering" in texts[name] or "from the judge's wavering" in texts[name]
        assert "Each turn was judged 2 times" in texts[name]


def test_what_departs_from_the_protocol_is_told(tmp_path: Path) -> None:
    texts = _written(_facts(), samples.judgements(), tmp_path)
    for name in ("report.html", "report.md", "model_card.md"):
        assert "evaluate.questions_per_category is 1: not all questions are asked" in texts[name]
        assert "Which questions were asked is not recorded" in texts[name]


def test_what_judging_took_is_summed_from_the_judgements(tmp_path: Path) -> None:
    spent = {"calls": 2, "prompt_tokens": 100, "completion_tokens": 10}
    judged = [one.model_copy(update=spent) for one in samples.judgements(["base"], ["default"])]
    texts = _written(_facts(), judged, tmp_path / "a")
    assert json.loads(texts["scores.json"])["judging"] == {
        "calls": 48.0,
        "prompt_tokens": 2400.0,
        "completion_tokens": 240.0,
    }
    assert "judging, prompt tokens: 2400" in texts["report.md"]
    judged[0] = judged[0].model_copy(update={"calls": None})
    half = json.loads(_written(_facts(), judged, tmp_path / "b")["scores.json"])["judging"]
    assert "calls" not in half
    assert half["prompt_tokens"] == 2400.0

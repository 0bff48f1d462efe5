"""The importer on checkouts: what comes out, what is refused, and what is never written."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gukbap.benchmarks import open_pack
from gukbap.benchmarks.logickor import import_logickor
from gukbap.errors import InputError
from gukbap.files import folder_fingerprint
from gukbap.schemas import CATEGORIES, Strategy
from tests.benchmarks.logickor.upstream import SHA, TEMPLATES, checkout, files, jsonl, lines

LOGICKOR = Path(__file__).parents[4] / "shared/data/logickor/questions.jsonl"

Change = Callable[[list[dict[str, Any]]], object]


def changed(folder: Path, change: Change = lambda _: None, templates: str = TEMPLATES) -> str:
    """A checkout whose questions were changed in place, or whose templates are others."""
    values = lines()
    change(values)
    return str(checkout(folder, {"questions.jsonl": jsonl(values), "templates.py": templates.encode()}))


def refusal(source: str, pack: Path, *, any_size: bool = False) -> str:
    """The words with which an import is refused; nothing lies there afterwards."""
    with pytest.raises(InputError) as caught:
        import_logickor(source, pack, any_size=any_size)
    assert not pack.exists()
    assert not list(pack.parent.glob(".*.tmp"))
    return str(caught.value)


def test_a_checkout_becomes_a_pack(tmp_path: Path) -> None:
    imported = import_logickor(str(checkout(tmp_path / "up")), tmp_path / "pack")
    assert imported.written
    assert imported.record.name == "logickor"
    assert (imported.record.questions, imported.record.with_reference) == (42, 25)
    assert imported.record.categories == dict.fromkeys(CATEGORIES, 7)
    pack = open_pack(str(tmp_path / "pack"))
    assert [question.id for question in pack.questions] == list(range(1, 43))
    assert pack.questions[2].questions == ["3번의 첫 질문은?", "3번의 둘째 질문은?"]
    assert any("question 3 has 3 turns" in note for note in imported.record.notes)
    assert pack.strategies is not None and pack.judge is not None
    assert pack.strategies["default"] == []
    assert [message.content for message in pack.strategies["1-shot"]] == [
        "바다는 왜 짠가요?",
        "강물이 나르는 소금 때문입니다.",
    ]
    assert pack.strategies["cot-1-shot"][0].content == "차근차근\n생각하세요."
    assert pack.judge.single_turn == "한 번의 답을 평가하세요.\n점수: 0-10"
    assert pack.judge.multi_turn == "두 번째 답을 평가하세요."
    assert pack.identity == imported.record.identity


@pytest.mark.skipif(not LOGICKOR.exists(), reason="LogicKor's questions are not beside the checkout")
def test_logickors_own_questions_are_imported_word_for_word(tmp_path: Path) -> None:
    content = LOGICKOR.read_bytes()
    source = checkout(tmp_path / "up", {"questions.jsonl": content, "templates.py": TEMPLATES.encode()})
    imported = import_logickor(str(source), tmp_path / "pack")
    assert imported.record.name == "logickor"
    upstream = [json.loads(line) for line in content.decode("utf-8-sig").split("\n") if line.strip()]
    questions = open_pack(str(tmp_path / "pack")).questions
    assert [q.questions for q in questions] == [line["questions"][:2] for line in upstream]
    assert [q.references for q in questions] == [line["references"][:2] for line in upstream]


def test_the_same_input_gives_the_same_bytes_and_is_left_alone(tmp_path: Path) -> None:
    source = str(checkout(tmp_path / "up"))
    import_logickor(source, tmp_path / "one")
    import_logickor(source, tmp_path / "two")
    assert folder_fingerprint(tmp_path / "one") == folder_fingerprint(tmp_path / "two")
    before = (tmp_path / "one/pack.json").stat().st_mtime_ns
    again = import_logickor(source, tmp_path / "one")
    assert not again.written
    assert (tmp_path / "one/pack.json").stat().st_mtime_ns == before


def test_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    plain = import_logickor(str(checkout(tmp_path / "up")), tmp_path / "plain")
    marked = {name: b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n") for name, content in files().items()}
    other = import_logickor(str(checkout(tmp_path / "marked", marked)), tmp_path / "other")
    assert other.record.identity == plain.record.identity
    assert other.record.upstream != plain.record.upstream


def test_another_pack_is_replaced_with_force_alone(tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    first = import_logickor(str(checkout(tmp_path / "up")), pack)
    other = changed(tmp_path / "other", lambda values: values[0].update(questions=["다른가?", "정말?"]))
    with pytest.raises(InputError, match=r"another pack lies in .*its questions\.jsonl differs"):
        import_logickor(other, pack)
    assert open_pack(str(pack)).identity == first.record.identity
    assert import_logickor(other, pack, force=True).written
    assert open_pack(str(pack)).questions[0].questions == ["다른가?", "정말?"]


@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_pack_is_never_replaced(tmp_path: Path, force: bool) -> None:
    source = str(checkout(tmp_path / "up"))
    home = tmp_path / "home"
    home.mkdir()
    (home / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match=r"letter\.txt.*never replaced"):
        import_logickor(source, home, force=force)
    with pytest.raises(InputError, match="never replaced"):
        import_logickor(source, Path(source), force=force)
    with pytest.raises(InputError, match="is a file"):
        import_logickor(source, home / "letter.txt", force=force)
    assert (home / "letter.txt").read_text() == "dear"
    assert (Path(source) / "README.md").is_file()


def test_a_damaged_pack_is_mended_with_force(tmp_path: Path) -> None:
    source, pack = str(checkout(tmp_path / "up")), tmp_path / "pack"
    import_logickor(source, pack)
    (pack / "judge.json").write_text("{}")
    with pytest.raises(InputError, match=r"judge\.json was changed"):
        import_logickor(source, pack)
    import_logickor(source, pack, force=True)
    assert open_pack(str(pack)).judge is not None


def test_all_that_is_wrong_is_named_at_once(tmp_path: Path) -> None:
    def spoil(values: list[dict[str, Any]]) -> None:
        values[1]["id"] = 1
        values[4]["category"] = "요리(Cooking)"
        values[6]["questions"] = ["하나뿐인가?"]
        values[8]["references"] = [None]
        values[9]["questions"] = ["가?", "나?", "다?", "라?"]
        values[9]["references"] = [None] * 3
        values[11]["questions"] = ["\ud800", "둘?"]

    templates = TEMPLATES.replace('"role": "system"', '"role": "teacher"')
    templates = templates.replace('("두 번째 답을 " "평가하세요.")', 'os.environ["WORDS"]')
    words = refusal(changed(tmp_path / "up", spoil, templates), tmp_path / "pack")
    for expected in (
        "line 2: id 1 stands already on line 1",
        "line 5: category: ",
        "요리(Cooking)",
        "line 7: questions: ",
        "line 9: references: ",
        "line 10: 3 references for 4 questions",
        "line 12: cannot be read",
        "strategy 'cot-1-shot' holds something that is no message",
        "JUDGE_TEMPLATE['multi_turn'] is computed (a subscript)",
    ):
        assert expected in words


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda values: values.pop(), ["41 questions, not 42", "6 questions of 문법(Grammar), not 7"]),
        (
            lambda values: values[0].update(category=CATEGORIES[1]),
            ["6 questions of 추론(Reasoning)", "8 questions of 수학(Math)"],
        ),
        (
            lambda values: values[30].update(references=["답", None]),
            ["26 questions have references, not 25"],
        ),
    ],
)
def test_another_size_is_let_through_by_name_only(
    tmp_path: Path, change: Change, expected: list[str]
) -> None:
    source = changed(tmp_path / "up", change)
    words = refusal(source, tmp_path / "pack")
    assert all(part in words for part in [*expected, "--any-size"])
    record = import_logickor(source, tmp_path / "pack", any_size=True).record
    assert record.name == "logickor-shaped"
    assert all(any(part in note for note in record.notes) for part in expected)


def test_any_size_does_not_let_mistakes_through(tmp_path: Path) -> None:
    words = refusal(
        changed(tmp_path / "up", lambda values: values[0].update(id="하나")), tmp_path / "pack", any_size=True
    )
    assert "line 1: id" in words
    assert "--any-size" not in words
    empty = checkout(tmp_path / "empty", {"questions.jsonl": b"\n", "templates.py": TEMPLATES.encode()})
    assert "holds no question" in refusal(str(empty), tmp_path / "pack", any_size=True)


@pytest.mark.parametrize("missing", ["questions.jsonl", "templates.py"])
def test_a_missing_or_unreadable_file_is_named(tmp_path: Path, missing: str) -> None:
    content = files()
    del content[missing]
    assert f"there is no {missing}" in refusal(str(checkout(tmp_path / "less", content)), tmp_path / "pack")
    broken = {**files(), missing: "가".encode("cp949") * 3}
    assert f"{missing}: byte 0 is not UTF-8" in refusal(
        str(checkout(tmp_path / "broken", broken)), tmp_path / "pack"
    )
    huge = {**files(), missing: b" " * (9 << 20)}
    assert f"{missing} has more than 8 MB" in refusal(
        str(checkout(tmp_path / "huge", huge)), tmp_path / "pack"
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('    "default": [],\n', "", "PROMPT_STRATEGY has no 'default'"),
        ('"default": []', '"default": "x"', "strategy 'default' is no list"),
        ('{"role": "system"', '{"role": "assistant"', "has the roles assistant, user, assistant"),
        ("바다는 왜 짠가요?", " ", "strategy '1-shot': message 1 is empty"),
        ('"single_turn"', '"single"', "JUDGE_TEMPLATE: single_turn: Field required"),
        ('("두 번째 답을 " "평가하세요.")', '" "', "JUDGE_TEMPLATE: multi_turn: "),
        ('("두 번째 답을 " "평가하세요.")', "7", "JUDGE_TEMPLATE: multi_turn: "),
        ('("두 번째 답을 " "평가하세요.")', r'"\ud800"', "JUDGE_TEMPLATE['multi_turn'] holds half a char"),
    ],
)
def test_wrong_templates_are_refused(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in TEMPLATES
    source = changed(tmp_path / "up", templates=TEMPLATES.replace(old, new))
    assert expected in refusal(source, tmp_path / "pack")


def test_more_strategies_and_templates_are_left_out_with_a_note(tmp_path: Path) -> None:
    templates = TEMPLATES.replace('"default": [],', '"default": [],\n    "5-shot": [],')
    templates = templates.replace('"multi_turn":', '"three_turn": "셋",\n    "multi_turn":')
    imported = import_logickor(changed(tmp_path / "up", templates=templates), tmp_path / "pack")
    assert set(imported.record.strategies) == set(Strategy.__args__)  # type: ignore[attr-defined] # a Literal
    assert any("'5-shot' is left out" in note for note in imported.record.notes)
    assert any("'three_turn' is left out" in note for note in imported.record.notes)


def test_malicious_templates_are_not_executed(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    trap = f"open({str(mark)!r}, 'w').close()\n"
    harmless = changed(tmp_path / "beside", templates=trap + TEMPLATES)
    import_logickor(harmless, tmp_path / "fine")
    inside = TEMPLATES.replace('"multi_turn": (', f'"multi_turn": open({str(mark)!r}, "w").name or (')
    assert "JUDGE_TEMPLATE['multi_turn'] is computed" in refusal(
        changed(tmp_path / "inside", templates=inside), tmp_path / "pack"
    )
    assert not mark.exists()
    # The trap is a real one: executing the file would spring it.
    exec(compile(trap + TEMPLATES, "templates.py", "exec"), {})
    assert mark.exists()


@pytest.mark.skipif(shutil.which("git") is None, reason="no git to make a real checkout with")
def test_the_commit_of_a_real_checkout_is_found(tmp_path: Path) -> None:
    up = checkout(tmp_path / "up")

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]
        command = ["git", "-C", str(up), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init")
    git("add", ".")
    git("commit", "-m", "words")
    sha = git("rev-parse", "HEAD")
    found = [import_logickor(str(up), tmp_path / "loose").record.commit]
    git("pack-refs", "--all")
    found.append(import_logickor(str(up), tmp_path / "packed").record.commit)
    git("worktree", "add", str(tmp_path / "tree"), "-b", "other")
    found.append(import_logickor(str(tmp_path / "tree"), tmp_path / "worktree").record.commit)
    git("checkout", "--detach")
    found.append(import_logickor(str(up), tmp_path / "detached").record.commit)
    assert found == [sha] * 4


@pytest.mark.parametrize("head", ["ref: refs/heads/none", "ref: ../../secret", "ref: /etc/hostname", ""])
def test_a_checkout_that_names_no_commit_has_none(tmp_path: Path, head: str) -> None:
    up = checkout(tmp_path / "up")
    (up / ".git").mkdir()
    (up / ".git/HEAD").write_text(head + "\n")
    (tmp_path / "secret").write_text(SHA + "\n")
    record = import_logickor(str(up), tmp_path / "pack").record
    assert record.commit is None
    assert "the folder does not say which commit it is" in record.notes

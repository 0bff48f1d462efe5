"""Wrong invocations and inputs: one clear error, the right exit code, no traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import gukbap


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run"], "no recipe was named"),
        (["run", "nosuch"], "there is no recipe 'nosuch'"),
        (["run", "smoke", "--set", "train.lr=1"], "unknown key train.lr"),
        (["run", "smoke", "--runner", "podman"], "'podman' is not one of 'inprocess', 'subprocess'"),
        (["run", "smoke", "--run-id", "a/b"], "run id 'a/b'"),
        (["run", "--resume", "nosuch"], "there is no run 'nosuch'"),
        (["run", "smoke", "--set", "generate.seeds=none.jsonl"], "there is no file none.jsonl"),
        (["run", "smoke", "--set", "generate.seeds=empty.jsonl"], "empty.jsonl holds no seed"),
        (["run", "smoke", "--set", "generate.seeds=bad.jsonl"], "bad.jsonl, line 2: not JSON"),
        (["run", "smoke", "--set", "evaluate.pack=none.jsonl"], "none.jsonl"),
        (["run", "smoke", "--set", "teacher.api_key_env=NO_SUCH_KEY"], "NO_SUCH_KEY, which is not set"),
        (["dedup", "none.jsonl", "-o", "out"], "there is no file none.jsonl"),
        (["judge", "bad.jsonl", "-o", "out"], "bad.jsonl, line 1"),
        (["train", "empty.jsonl", "empty.jsonl", "-o", "out"], "empty.jsonl holds no record"),
        (["score", "empty.jsonl"], "empty.jsonl holds no record"),
        (["compile", "smoke"], "Missing option '-o'"),
        (["nosuch"], "No such command 'nosuch'"),
    ],
)
def test_a_wrong_invocation_is_one_clear_error(arguments: list[str], expected: str, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "bad.jsonl").write_text('{"id": "a", "category": "math", "instruction": "1+1은?"}\n{oops\n')
    done = gukbap(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    done = gukbap("--debug", "run", "nosuch", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" in done.stderr


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    """The 0.5 s of --help are measured in bench/; what would break them is tested here."""
    script = (
        "import sys, click; from gukbap.cli import cli\n"
        "try: cli(['--help'], standalone_mode=True)\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'kfp', 'mlflow', 'transformers', 'pydantic', 'numpy', 'openai'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip().endswith("[]")


def test_a_warning_is_a_line_of_words(tmp_path: Path) -> None:
    (tmp_path / "seeds.txt").write_text("하늘이 파란 까닭을 설명해 주세요.\n" * 2, encoding="utf-8")
    options = ["--recipe", "smoke", "--set", "generate.seed_count=null", "--set", "tracking.enabled=false"]
    done = gukbap("generate", "--seeds", "seeds.txt", "-o", "out", *options, cwd=tmp_path)
    lines = [line for line in done.stderr.splitlines() if "stand there before" in line]
    assert len(lines) == 1
    assert lines[0].startswith("warning: seeds.txt: 1 of the instructions ")


def test_an_interrupt_inside_of_generated_code_has_the_usual_exit_code(tmp_path: Path) -> None:
    (tmp_path / "interrupted.py").write_text(
        "import gukbap.cli as command\n"
        "command.cli = lambda **_: exec('raise KeyboardInterrupt')\n"
        "command.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "interrupted"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "\nstopped; what was made is kept\n")

"""Literals of a file that is read and not run."""

from __future__ import annotations

import pytest

from gukbap.benchmarks.logickor.literals import read_literals


def test_literals_are_read_with_all_else_around_them() -> None:
    source = "import os\nX = {'a': ['b' + ('c' 'd'), None, 1]}\ndef f():\n    return os.getcwd()\n"
    assert read_literals(source, ["X"], "t.py") == ({"X": {"a": ["bcd", None, 1]}}, [])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("X = {'a': f()}", "line 1: X['a'] is computed (a call)"),
        ("X = {\n'a': [f'{1}']}", "line 2: X['a'][0] is computed (an f-string)"),
        ("X = {'a': Y}", "X['a'] is computed (a name)"),
        ("X = {'a': 'b' * 3}", "X['a'] is computed (an operator)"),
        ("X = {'a': 'b' + 3}", "X['a'] is computed (+ of something other than text literals)"),
        ("X = {'a': [] + []}", "X['a'] is computed (+ of"),
        ("X = {'a': 'b' if 1 else 'c'}", "X['a'] is computed (a condition)"),
        ("X = {**Y}", "a key of X is no text literal"),
        ("X = {Y: 'a'}", "a key of X is no text literal"),
        ("X = {'a': '1', 'a': '2'}", "X['a'] stands twice"),
        ("X = dict(a=1)", "X is computed (a call)"),
        ("X = {}\nX = {'a': 'b'}", "line 2: X is used or assigned once more"),
        ("X = {}\nX['a'] = 'b'", "line 2: X is used or assigned once more"),
        ("X = {}\nX.update(a='b')", "line 2: X is used or assigned once more"),
        ("X = {}\nX |= {'a': 'b'}", "line 2: X is used or assigned once more"),
        ("if 1:\n    X = {}", "line 2: there is no X = {…} at module level"),
        ("Y = {}", "there is no X = {…} at module level"),
        ("X = {", "line 1: not Python"),
        ("X = {}\n\x00", "t.py"),
        ("X = " + "[" * 5000 + "]" * 5000, "t.py"),
        ("X = " + "+".join(["'a'"] * 50_000), "t.py"),
    ],
)
def test_what_is_no_literal_is_named_with_its_line(source: str, expected: str) -> None:
    values, problems = read_literals(source, ["X"], "t.py")
    assert values == {}
    assert len(problems) == 1
    assert problems[0].startswith("t.py")
    assert expected in problems[0]

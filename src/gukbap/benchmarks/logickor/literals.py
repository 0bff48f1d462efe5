"""The dict literals of a Python file, read from its syntax tree: nothing of the file is ever executed."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

#: what stands for a value that is no literal; the problem that says so was noted
_UNREADABLE = object()
#: what an escape such as "\ud800" makes; no UTF-8 file can hold it
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")


def read_literals(source: str, names: Sequence[str], file: str) -> tuple[dict[str, Any], list[str]]:
    """The literals that are assigned to module-level names.

    Texts may be put together of literals with +, stand in parentheses and in triple quotes. A name
    that is assigned twice, or that the file uses once more, is refused: what executing the file
    would leave in it cannot be known.

    Args:
        source: the text of the file.
        names: which names to read.
        file: its name, for messages.

    Returns:
        Name → value for the names whose value is a literal throughout, and one problem a mistake,
        with its line.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        return {}, [f"{file}, line {error.lineno or 1}: not Python ({error.msg})"]
    # Too deep for the parser, or a NUL byte: both mean that a person did not write this.
    except (RecursionError, MemoryError, ValueError) as error:
        return {}, [f"{file}: cannot be read as Python ({error or type(error).__name__})"]
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name in names:
        node, found = _assigned(tree, name, file)
        if node is not None and not found:
            reader = _Reader(file)
            try:
                value = reader.value(node, name)
            except RecursionError:
                found.append(f"{file}, line {node.lineno}: {name} is nested too deep")
            else:
                found += reader.problems
                if not found:
                    values[name] = value
        problems += found
    return values, problems


def _assigned(tree: ast.Module, name: str, file: str) -> tuple[ast.expr | None, list[str]]:
    """The one expression assigned to a name at module level, and what speaks against taking it."""
    value: ast.expr | None = None
    target: ast.expr | None = None
    for statement in tree.body:
        if value is not None:
            break
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            if _is_name(statement.targets[0], name):
                target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign) and _is_name(statement.target, name):
            target, value = statement.target, statement.value
    others = sorted(
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == name and node is not target
    )
    if value is None:
        where = f", line {others[0]}" if others else ""
        return None, [f"{file}{where}: there is no {name} = {{…}} at module level"]
    return value, [
        f"{file}, line {line}: {name} is used or assigned once more, so that its value is unsure"
        for line in others
    ]


def _is_name(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


class _Reader:
    """Literals as values; everything computed becomes a problem with its path and line."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.problems: list[str] = []

    def value(self, node: ast.expr, path: str) -> Any:
        """The value of a literal; `path` says where in it the node stands, for example JUDGE['x'][0]."""
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str) and _HALF_A_CHARACTER.search(node.value):
                return self._refuse(node, f"{path} holds half a character (a lone surrogate)")
            return node.value
        if isinstance(node, ast.List | ast.Tuple):
            return [self.value(item, f"{path}[{index}]") for index, item in enumerate(node.elts)]
        if isinstance(node, ast.Dict):
            return self._mapping(node, path)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return self._joined(node, path)
        return self._refuse(node, f"{path} is computed ({_kind(node)})")

    def _mapping(self, node: ast.Dict, path: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key, item in zip(node.keys, node.values, strict=True):
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                self._refuse(key or item, f"a key of {path} is no text literal")
            elif key.value in values:
                self._refuse(key, f"{path}[{key.value!r}] stands twice")
            else:
                values[key.value] = self.value(item, f"{path}[{key.value!r}]")
        return values

    def _joined(self, node: ast.BinOp, path: str) -> Any:
        left, right = self.value(node.left, path), self.value(node.right, path)
        if isinstance(left, str) and isinstance(right, str):
            return left + right
        if left is _UNREADABLE or right is _UNREADABLE:
            return _UNREADABLE
        return self._refuse(node, f"{path} is computed (+ of something other than text literals)")

    def _refuse(self, node: ast.expr, problem: str) -> Any:
        self.problems.append(f"{self._file}, line {node.lineno}: {problem}")
        return _UNREADABLE


def _kind(node: ast.expr) -> str:
    kinds: dict[type[ast.expr], str] = {
        ast.Call: "a call",
        ast.JoinedStr: "an f-string",
        ast.Name: "a name",
        ast.Attribute: "an attribute",
        ast.Subscript: "a subscript",
        ast.BinOp: "an operator",
        ast.IfExp: "a condition",
    }
    return kinds.get(type(node), type(node).__name__)

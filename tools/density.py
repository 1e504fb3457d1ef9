"""Measure how dense the code is: AST nodes per code line, for `make check`.

A line holds one idea. The limit is that of well-kept projects of this field, whose trees
have 4 to 5 nodes per line. Comments, blank lines and docstrings are no code lines;
expression contexts (Load, Store, Del) are no nodes.
"""

from __future__ import annotations

import ast
import io
import subprocess
import sys
import tokenize
from collections.abc import Iterable
from pathlib import Path

LIMIT = 5.5  # nodes per code line, over the whole tree
PARTS = {
    "code": ("incidentwire", "services", "cli"),
    "tests": ("tests", "compose_tests", "benchmarks", "tools", "docs"),
}
NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def measure(source: str) -> tuple[int, int]:
    """Return (AST nodes, code lines) of one module."""
    tree = ast.parse(source)
    nodes = sum(not isinstance(node, ast.expr_context) for node in ast.walk(tree))
    lines = _token_lines(source) - _docstring_lines(tree)
    return nodes, len(lines)


def _token_lines(source: str) -> set[int]:
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines


def _docstring_lines(tree: ast.AST) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False):
            first = node.body[0]
            lines.update(range(first.lineno, (first.end_lineno or 0) + 1))
    return lines


def measure_all(names: Iterable[str]) -> tuple[int, int]:
    """Return (AST nodes, code lines) of all files together."""
    found = [measure(Path(name).read_text(encoding="utf-8")) for name in names]
    return sum(nodes for nodes, _ in found), sum(lines for _, lines in found)


def main() -> int:
    """Print the density of each part and of the tree; return 1 if that is over LIMIT."""
    listed = subprocess.check_output(["git", "ls-files", "*.py"], text=True).split()
    present = [name for name in listed if Path(name).exists()]
    all_nodes = 0
    all_lines = 0
    for part, folders in PARTS.items():
        names = [name for name in present if name.split("/")[0] in folders]
        nodes, lines = measure_all(names)
        print(f"{part}: {nodes / lines:.2f} AST nodes per code line")
        all_nodes += nodes
        all_lines += lines
    print(f"tree: {all_nodes / all_lines:.2f} AST nodes per code line (limit {LIMIT})")
    return 1 if all_nodes > LIMIT * all_lines else 0


if __name__ == "__main__":
    sys.exit(main())

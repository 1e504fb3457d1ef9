"""Find the messages in our source: what is raised, and what fields are told."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

HOLE = "\0"
MAKERS = frozenset({"FieldError", "OutboundError", "Problem", "Refusal", "unread"})
KEYWORDS = frozenset({"detail", "error", "message"})
TARGETS = frozenset({"detail", "message", "must", "remedy", "wrong"})
NOT_READ = frozenset({"TypeError", "RuntimeError", "ReadModelMissing", "UnknownType"})
SILENT = frozenset({"metadata", "description", "doc", "headers"})
Found = Iterator[str]


def messages_of(path: Path) -> set[str]:
    """Return the messages of a module, with HOLE for each value in them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {text for text in _found(tree, False) if _has_words(text)}


def _has_words(text: str) -> bool:
    return len(text.replace(HOLE, "").split()) > 1


def _found(node: ast.AST, is_message: bool) -> Found:
    text = _text(node)
    if text is not None:
        if is_message or _is_sentence(text):
            yield text
        return
    if _is_skipped(node):
        return
    is_message = is_message or _is_message(node)
    for child in ast.iter_child_nodes(node):
        yield from _found(child, is_message)


def _text(node: ast.AST) -> str | None:
    """Return the literal, None for any other node."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            return "".join(_text(value) or HOLE for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            texts = (_text(left), _text(right))
            if texts == (None, None):
                return None
            return "".join(HOLE if text is None else text for text in texts)
    return None


def _is_sentence(text: str) -> bool:
    return text.endswith((".", "…")) and text[:1] in (HOLE, text[:1].upper())


def _is_skipped(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()):  # a docstring
            return True
        case ast.keyword(arg=name):
            return name in SILENT
        case ast.Raise(exc=ast.Call(func=ast.Name(id=name))):
            return name in NOT_READ
        case ast.Call(func=ast.Name(id=name)):
            return name in ("_", "event_line")
    return False


def _is_message(node: ast.AST) -> bool:
    match node:
        case ast.Raise():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in MAKERS
        case ast.keyword(arg=name):
            return name in KEYWORDS
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in TARGETS
    return False

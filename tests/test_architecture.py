"""Rules of the project that no linter checks: one place for each effect, a process for
each service, short modules."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.processes import PROCESSES
from incidentwire.settings import PREFIX, SECRETS, Settings

ROOT = Path(__file__).parent.parent
CODE = sorted(
    p
    for part in ("incidentwire", "services", "cli")
    for p in (ROOT / part).rglob("*.py")
)
OTHER_PARTS = ("tests", "compose_tests", "benchmarks", "tools")
MAX_MODULE_LINES = 400
OTHERS = {"redis", "front"}  # services of compose that are not ours
FIXED_IN_COMPOSE = {
    "INCIDENTWIRE_TRUSTED_PROXIES",
    "INCIDENTWIRE_REDIS_URL",
    "INCIDENTWIRE_REDIS_PASSWORD_FILE",
    "INCIDENTWIRE_DATA_DIR",
    "INCIDENTWIRE_HEARTBEAT_FILE",
    "INCIDENTWIRE_API_URL",
    "INCIDENTWIRE_INGEST_URL",
}


def _compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found


def _calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def test_compose_has_one_entry_per_process_and_they_run_the_same_modules() -> None:
    services = _compose()["services"]
    assert set(services) - OTHERS == set(PROCESSES)
    for name, (module, *_) in PROCESSES.items():
        assert services[name]["command"][:3] == ["python3", "-m", module]
        assert module.startswith(f"services.{name.split('-')[0]}.")


def test_compose_passes_every_setting_on_under_its_own_name() -> None:
    environment = _compose()["x-process"]["environment"]
    names = {f"{PREFIX}{field.name.upper()}" for field in dataclasses.fields(Settings)}
    secrets = {f"{PREFIX}{name}".upper() for name in SECRETS} - FIXED_IN_COMPOSE
    names |= {f"{name}_FILE" for name in secrets}
    names -= {
        name.removesuffix("_FILE") for name in FIXED_IN_COMPOSE if "_FILE" in name
    }
    names |= FIXED_IN_COMPOSE
    assert set(environment) == names, "run `make docs`"
    given = {name for name, value in environment.items() if value is not None}
    assert given == FIXED_IN_COMPOSE


def test_every_folder_in_services_runs() -> None:
    folders = {
        p.name for p in (ROOT / "services").iterdir() if (p / "__init__.py").exists()
    }
    assert folders == {name.split("-")[0] for name in PROCESSES}


def test_the_folders_of_tests_mirror_those_of_the_code() -> None:
    tests = ROOT / "tests"
    own = {"", "chaos", "documents"}  # of the whole, of several processes, of docs/
    folders = {
        str(path.parent.relative_to(tests)).removeprefix(".")
        for path in tests.rglob("test_*.py")
    }
    for name in folders - own:
        assert any((top / name).is_dir() for top in (ROOT, ROOT / "services")), name


def test_every_process_of_ours_is_locked_down_and_comes_back() -> None:
    for name, service in _compose()["services"].items():
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]
        if name not in OTHERS:
            assert service["read_only"] is True
            assert service["user"] == "10001"
            assert service["cap_drop"] == ["ALL"]


def test_the_stores_promises_are_in_compose_and_in_the_embedded_command() -> None:
    command = (ROOT / "deploy" / "store" / "start").read_text()
    embedded = (ROOT / "cli" / "processes.py").read_text()
    for name, value in (
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("maxmemory-policy", "noeviction"),
    ):
        assert f"--{name} {value}" in command
        assert f'"--{name}", "{value}"' in embedded


@pytest.mark.parametrize(
    ("what", "pattern", "places"),
    [
        ("the stream is written", r"XADD|\.xadd\(", {"incidentwire/log/append.lua"}),
        (
            "the environment is read",
            r"os\.environ|getenv",
            {
                "incidentwire/settings.py",
                "services/classifier/worker.py",
                "cli/demo.py",
                "cli/up.py",
                "cli/context.py",
                "cli/forking.py",
            },
        ),
        (
            "a socket is dialled",
            r"\bcreate_connection\(|\.connect\(\(|urlopen\(",
            {"incidentwire/net/transport.py"},
        ),
        ("messages are pickled", r"\bpickle\b", set()),
    ],
)
def test_each_effect_on_the_outside_is_in_one_place(
    what: str, pattern: str, places: set[str]
) -> None:
    files = [*CODE, *(ROOT / "incidentwire").rglob("*.lua")]
    found = {
        str(p.relative_to(ROOT))
        for p in files
        if re.search(pattern, _without_comments(p))
    }
    assert found <= places, f"{what} elsewhere too"


@cache
def _without_comments(path: Path) -> str:
    """Return the code without comments and docstrings: prose may speak of what code may not do."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef
        ) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


@pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_is_a_giant(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    if path.name != "events.py":  # a catalogue
        assert lines <= MAX_MODULE_LINES, f"{lines} lines: divide it"


@pytest.mark.parametrize("path", CODE, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_is_caught_broadly_is_logged(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler) and (
            node.type is None
            or ast.unparse(node.type) in ("Exception", "BaseException")
        ):
            body = list(_calls(ast.Module(node.body, [])))
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            assert raises or any("logger." in call for call in body), (
                f"line {node.lineno}"
            )


PROJECT = [*CODE, *(p for part in OTHER_PARTS for p in (ROOT / part).rglob("*.py"))]
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


def _several_ideas(node: ast.AST) -> bool:
    """Return whether a statement or expression holds more than one idea in a line."""
    inner = list(ast.walk(node))[1:]
    if isinstance(node, COMPREHENSIONS):
        return any(isinstance(one, ast.NamedExpr) for one in inner)
    if isinstance(node, ast.IfExp):
        return any(isinstance(one, ast.IfExp) for one in inner)
    return isinstance(node, ast.Assign) and _are_unrelated(node)


def _are_unrelated(node: ast.Assign) -> bool:
    """Return whether `a, b = x, y` could be two lines: no value needs what is replaced."""
    target = node.targets[0]
    value = node.value
    if not isinstance(target, ast.Tuple) or not isinstance(value, ast.Tuple):
        return False
    replaced = {ast.unparse(one) for one in target.elts}
    used = {ast.unparse(one) for one in ast.walk(value)}
    return not replaced & used


def test_a_line_holds_one_idea() -> None:
    dense = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in PROJECT
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if _several_ideas(node)
    ]
    assert dense == [], "divide these lines"


def test_no_two_public_classes_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for path in CODE:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_no_file_is_named_utils() -> None:
    assert [
        p for p in CODE if p.stem in ("utils", "util", "helpers", "common", "misc")
    ] == []


def test_the_lock_files_hold_names_versions_and_hashes_only() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        for line in (ROOT / name).read_text().splitlines():
            assert re.match(
                r"^(\s*--hash=sha256:[0-9a-f]{64}( \\)?|[A-Za-z0-9._-]+==\S+( ; .*)? \\|\s*#.*|)$",
                line,
            ), line

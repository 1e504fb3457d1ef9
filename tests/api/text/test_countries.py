"""Countries that a report names, in English and Chinese."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.api.text import countries as module
from services.api.text.countries import EXAMINED, code_of, countries

TABLE = Path(module.__file__).with_name("countries.txt")


@pytest.mark.parametrize(
    ("title", "found"),
    [
        ("German regulator fines Dutch bank", ["de", "nl"]),
        ("U.S. officials and the UK's watchdog", ["us", "gb"]),
        ("South Korean police arrest ten", ["kr"]),
        ("North Korea denies the leak", ["kp"]),
        ("South American banks warn", []),
        ("New Mexico sues, Mexico does not", ["us", "mx"]),
        ("Give us the data, turkey farmers say", []),
        ("São Paulo clinic exposed scans", ["br"]),
        ("韓國警方調查深度偽造", ["kr"]),
        ("印度尼西亚与印度", ["id", "in"]),
        ("我国网信部门发布新规", ["cn"]),
        ("欧盟通过法案", []),
    ],
)
def test_a_report_names_countries(title: str, found: list[str]) -> None:
    assert countries(title, "") == found


def test_only_the_beginning_of_a_text_is_examined() -> None:
    assert countries("", "x" * EXAMINED + " Germany") == []
    assert countries("", "Police in Germany said") == ["de"]


@pytest.mark.parametrize("name", ["de", "DE", "Germany", "german", "德国", "德國"])
def test_a_country_is_asked_for_by_code_or_name(name: str) -> None:
    assert code_of(name) == "de"


def test_an_unknown_country_is_refused_with_an_example() -> None:
    with pytest.raises(ValueError, match="such as Germany"):
        code_of("Atlantis")


def test_every_country_has_both_names_and_no_name_stands_for_two() -> None:
    lines = [
        line.split("|")
        for line in TABLE.read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    names = [
        name for _, *groups in lines for group in groups for name in group.split(",")
    ]
    assert len(names) == len(set(names))
    english = [name for _, group, _ in lines for name in group.split(",")]
    assert all(name[0].isupper() for name in english)
    assert all(all(groups) for _, *groups in lines)

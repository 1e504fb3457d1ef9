"""Notices from one template stay apart; copies of one notice come together."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

import pytest

from services.classifier.linking.merge_rule import (
    LinkIndex,
    decide,
    decode,
    fingerprint,
)
from tests.classifier.linking.templates import (
    ATTORNEY_GENERAL,
    CHINESE,
    CHINESE_COMPANY,
    CHINESE_REGULATOR,
    COMPANY,
    ENGLISH,
    FIRST_DAY,
    LAW_FIRM,
    REGULATOR,
    Notice,
    edited,
    incidents,
    notice,
    repunctuated,
    syndicated,
)


def link(notices: Iterable[tuple[str, Notice]]) -> dict[str, set[str]]:
    """Link the notices in the order of their dates: incident -> firms in it."""
    index = LinkIndex()
    firms = defaultdict(set)
    for number, (firm, one) in enumerate(
        sorted(notices, key=lambda pair: pair[1].published)
    ):
        made = decode(fingerprint(one.title, one.text, one.published))
        incident = decide(made, index).incident or f"n_{number}"
        index.add(incident, f"i_{number}#m0", made)
        firms[incident].add(firm)
    return firms


@pytest.mark.parametrize("template", [*ENGLISH, *CHINESE], ids=lambda one: one[0][:20])
def test_notices_of_eight_firms_in_four_years_stay_eight(
    template: tuple[str, str],
) -> None:
    found = incidents(8, 41, template in CHINESE)
    assert len(link((one.firm, notice(template, one)) for one in found)) == 8


@pytest.mark.parametrize(
    "template",
    [ATTORNEY_GENERAL, COMPANY, CHINESE_REGULATOR, CHINESE_COMPANY],
    ids=lambda one: one[0][:20],
)
def test_copies_of_a_notice_join_it_and_no_other_firm_does(
    template: tuple[str, str],
) -> None:
    notices = []
    for number, one in enumerate(incidents(12, 5, template in CHINESE)):
        found = FIRST_DAY + datetime.timedelta(number)
        first = notice(template, replace(one, found=found))
        copies = (first, syndicated(first), edited(first), repunctuated(first, 5))
        notices += [(one.firm, copy) for copy in copies]
    groups = link(notices)
    assert all(len(firms) == 1 for firms in groups.values())
    assert len(groups) == 12


def test_two_breaches_of_one_firm_in_one_wording_are_two_incidents() -> None:
    first = incidents(1, 3)[0]
    second = replace(
        first, people=first.people + 77_777, found=first.found.replace(year=2027)
    )
    for template in (ATTORNEY_GENERAL, COMPANY):
        groups = link([("1", notice(template, first)), ("2", notice(template, second))])
        assert len(groups) == 2


def test_boilerplate_without_a_subject_is_a_copy_only_while_it_is_near() -> None:
    text = notice(LAW_FIRM, incidents(1, 9)[0]).text.replace("\n", " ")
    found = {}
    for days in (1, 30, 400):
        index = LinkIndex()
        first = Notice(title="Legal news", text=text, published="2024-01-01")
        later = datetime.date(2024, 1, 1) + datetime.timedelta(days)
        index.add(
            "n_a",
            "i_a#m0",
            decode(fingerprint("Legal news", text, first.published)),
        )
        decision = decide(
            decode(fingerprint("Notices", text, later.isoformat())), index
        )
        found[days] = decision.why.copy
    assert found == {1: True, 30: True, 400: False}


def test_penalties_of_one_regulator_name_other_firms_and_sums() -> None:
    found = incidents(20, 17)
    groups = link((one.firm, notice(REGULATOR, one)) for one in found)
    assert len(groups) >= 18  # firms of one trade and town still meet


CLINICS = (
    "Calder Eye Clinic",
    "Brightwater Pediatrics",
    "Sutter Ridge Schools",
    "Norvale Payroll",
)
COMPANIES = ("蓝湾物业", "晨星教育", "康泽体检", "云栈物流")


@pytest.mark.parametrize(
    ("firms", "title", "text"),
    [
        (
            CLINICS,
            "Notice of Data Security Incident - {0}",
            "{0} is providing notice of an incident that may affect the privacy of certain "
            "information. On March 3, 2025, {0} became aware of suspicious activity. {0} "
            "took steps to secure its systems and began an investigation with specialists. "
            "Certain files were accessed without authorization. The information may include "
            "name, date of birth and medical information. {0} is notifying {1} individuals "
            "and offering credit monitoring. Individuals may call the assistance line from "
            "9:00 am to 9:00 pm Eastern Time.",
        ),
        (
            CLINICS,
            "{0} listed on ransomware leak site",
            "A ransomware gang added {0} to its leak site on March 3, 2025, claiming to hold "
            "{1} files. The claim could not be verified. {0} has not commented. Researchers "
            "said that the group has named several victims this month and asks for payment "
            "in cryptocurrency.",
        ),
        (
            ("Clínica San Telmo", "Seguros Alborada", "Grupo Marisol", "Hotel Levante"),
            "La AEPD multa a {0} por una brecha de datos",
            "La Agencia Española de Protección de Datos ha multado a {0} por una brecha que "
            "afectó a {1} personas. La resolución, de 03/03/2025, considera que {0} no "
            "adoptó medidas de seguridad adecuadas. {0} puede recurrir.",
        ),
        (
            ("한빛통신", "서린병원", "해솔보험", "새봄호텔"),
            "{0} 개인정보 유출",
            "{0}에서 고객 {1}명의 개인정보가 유출됐다. 개인정보보호위원회는 2025년 3월 3일 {0}에 "
            "대한 조사에 착수했다. {0} 측은 피해 고객에게 개별 통지하겠다고 밝혔다.",
        ),
        (
            COMPANIES,
            "{0}因违法收集个人信息被罚",
            "{0}因违法收集个人信息,2025年3月3日被网信办处以罚款。{0}的应用有{1}名用户。"
            "网信办责令{0}改正。",
        ),
    ],
    ids=["title case", "figures", "words", "one word", "Chinese"],
)
def test_notices_in_one_wording_on_one_day_stay_apart(
    firms: tuple[str, ...], title: str, text: str
) -> None:
    notices = [
        (
            firm,
            Notice(
                title=title.format(firm),
                text=text.format(firm, people),
                published="2025-03-03",
            ),
        )
        for firm, people in zip(
            firms, ("14,212", "3,507", "61,040", "8,911"), strict=True
        )
    ]
    assert len(link(notices)) == len(firms)

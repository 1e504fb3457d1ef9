"""Refusals, reasons and comparisons are Chinese on Chinese pages, and English for programs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from marshmallow import fields, validate

import incidentwire
from incidentwire.incidents.state import STATUSES
from incidentwire.net import ssrf
from services.api import errors
from services.api.dashboard import messages
from services.api.dashboard.messages import GAP, MAX_CHARS, templates
from services.ingest import errors as ingest_errors
from tests.api.dashboard.conftest import Member, Site
from tests.api.dashboard.messages_of import HOLE, messages_of

ROOT = Path(incidentwire.__file__).parent.parent
# What a form or an address of a page can make these say, a person reads.
SOURCES = (
    "incidentwire/incidents/creation.py",
    "incidentwire/incidents/decisions.py",
    "incidentwire/net/client.py",
    "incidentwire/net/destinations.py",
    "incidentwire/net/hosts.py",
    "incidentwire/net/transport.py",
    "incidentwire/net/urls.py",
    "incidentwire/opml.py",
    "incidentwire/store.py",
    "incidentwire/web/auth.py",
    "incidentwire/web/keys.py",
    "incidentwire/web/problems.py",
    "incidentwire/web/sessions.py",
    "services/api/appending.py",
    "services/api/dashboard/facet_links.py",
    "services/api/dashboard/keys.py",
    "services/api/dashboard/list_filters.py",
    "services/api/dashboard/review_bulk.py",
    "services/api/entities",
    "services/api/errors.py",
    "services/api/filters",
    "services/api/http.py",
    "services/api/incidents",
    "services/api/items",
    "services/api/search",
    "services/api/subscriptions/access.py",
    "services/api/subscriptions/groups.py",
    "services/api/subscriptions/links.py",
    "services/api/subscriptions/preview.py",
    "services/api/subscriptions/schemas.py",
    "services/api/subscriptions/secrets.py",
    "services/api/subscriptions/service.py",
    "services/api/subscriptions/store.py",
    "services/api/subscriptions/validation.py",
    "services/api/topics",
    "services/ingest/admission.py",
    "services/ingest/errors.py",
    "services/ingest/feeds/formats.py",
    "services/ingest/feeds/parser.py",
    "services/ingest/feeds/poll.py",
    "services/ingest/feeds/sandbox.py",
    "services/ingest/feeds/views.py",
    "services/ingest/quota.py",
    "services/ingest/schemas.py",
    "services/ingest/submission.py",
    "services/ingest/submit.py",
    "services/ingest/views.py",
)
# Made of messages that are translated by themselves, or of what pages do not ask for.
PARTS = frozenset(
    {
        f"{HOLE}. {HOLE}.",
        f"Use {HOLE} with its offset, such as 2024-05-01T12:00:00Z.",
    }
)
MARSHMALLOW = (
    *(
        text
        for kind in (fields.Field, fields.String, fields.Integer, fields.List)
        for name, text in kind.default_error_messages.items()
        if name not in ("validator_failed", "too_large", "invalid_utf8")
    ),
    validate.Length.message_min,
    validate.Length.message_max,
    validate.Length.message_all,
    validate.OneOf.default_message,
    validate.Regexp.default_message,
)
CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9"}


@pytest.fixture(scope="module")
def chinese() -> Iterator[None]:
    """Let a Chinese page be rendered."""
    with Flask("pages").test_request_context(headers=CHINESE):
        yield


def sources() -> Iterator[Path]:
    for name in SOURCES:
        path = ROOT / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def is_chinese(text: str) -> bool:
    return any("\u4e00" <= letter <= "\u9fff" for letter in text)


def test_every_message_that_pages_may_show_has_a_chinese_template(
    chinese: None,
) -> None:
    found = {text for path in sources() for text in messages_of(path)} - PARTS
    assert len(found) > 150
    known = {template.literals for template in messages.templates_of("zh")}
    missing = {text for text in found if tuple(text.split(HOLE)) not in known}
    assert missing == set(), "add them to dashboard.po in the context message"


def errors_of(module: Any) -> Iterator[Exception]:
    """Yield an instance of each named error of a module that writes its own message."""
    for kind in vars(module).values():
        if not (inspect.isclass(kind) and issubclass(kind, Exception)):
            continue
        if (
            "__init__" not in vars(kind)
            or "message" in inspect.signature(kind).parameters
        ):
            continue
        given = inspect.signature(kind).parameters.values()
        makers = {"int": 7, "str": "page", "int | None": 7}
        yield kind(*(makers.get(one.annotation, {}) for one in given))


@pytest.mark.parametrize("module", [errors, ingest_errors], ids=["api", "ingest"])
def test_every_named_error_is_translated(chinese: None, module: Any) -> None:
    found = [str(error) for error in errors_of(module)]
    assert len(found) > 4
    assert [text for text in found if not is_chinese(messages.translate(text))] == []


def test_what_schemas_say_of_fields_is_translated(chinese: None) -> None:
    result = [
        text.format(min=1, max=9, equal=3, choices="a, b", input="x")
        for text in MARSHMALLOW
    ]
    assert [text for text in result if not is_chinese(messages.translate(text))] == []


def test_every_reason_to_refuse_an_address_is_translated(chinese: None) -> None:
    reasons = {why for _, why in ssrf.REFUSED_NETWORKS}
    hosts = ("metadata.tencentyun.com", "localhost", "a.local")
    reasons |= {str(ssrf.refusal_of_name(host)) for host in hosts}
    for why in reasons:
        shown = messages.translate(f"x.example is not on the public internet: {why}")
        assert is_chinese(shown.partition("：")[2]), why


def test_a_translation_has_the_gaps_of_its_message() -> None:
    for template in messages.templates_of("zh"):
        assert set(template.names) >= set(GAP.findall(template.translation)), template


def test_words_of_strangers_stay_and_messages_within_are_translated(
    chinese: None,
) -> None:
    shown = messages.translate("title: deepfake → The store is unreachable.")
    assert shown == "标题：deepfake → The store is unreachable."
    shown = messages.translate("status: open → dismissed")
    assert not any(status in shown for status in STATUSES)
    shown = messages.translate(
        "The store is unreachable. Nothing was accepted. Try again."
    )
    assert shown == "无法连接存储。没有接受任何内容，请重试。"
    unknown = "“The title is empty” they said"
    assert messages.translate(unknown) == unknown
    long = "gained " + "→ " * MAX_CHARS
    assert messages.translate(long) == long


def test_a_message_is_recognised_by_the_most_specific_template() -> None:
    known = templates([("%(a)s is %(b)s.", "1"), ("%(a)s is in %(b)s.", "2")])
    found = [one for one in known if one.values("x is in y.") is not None]
    assert [one.translation for one in found] == ["2", "1"]


def test_pages_refuse_in_chinese_and_the_api_in_english(pages: Site) -> None:
    curator = Member(pages, "curator")
    curator.headers.update(CHINESE)
    clinic = pages.ids["clinic"]
    refused = curator.fill_in(
        f"/incidents/{clinic}/status", status="confirmed", version=9
    )
    assert refused.status_code == 409
    assert "另一位编审已更改" in refused.text
    refused = curator.fill_in(f"/incidents/{clinic}/title", title=" ", version=1)
    assert "需要文字" in refused.text
    assert "引号没有闭合" in curator.get(f'{pages.base}/search?q="a', timeout=30).text
    refused = curator.fill_in("/entities", alias="Ann", name="ann")
    assert "无需声明" in refused.text
    refused = curator.fill_in("/feeds", url="nowhere")
    assert "不是网址" in refused.text
    compared = curator.see(f"/incidents/{clinic}?against=5")
    assert "新增 “Clinic chain fined over exposed records”" in compared
    answer = curator.get(f'{pages.base}/v1/search?q="a', timeout=30)
    assert "This quote is not closed" in answer.text

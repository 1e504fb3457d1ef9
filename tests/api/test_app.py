"""Access, health, numbers, the OpenAPI document, and what it promises."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    ignored_auth,
    negative_data_rejection,
    positive_data_acceptance,
)

from incidentwire import events as e
from incidentwire.events import ItemSubmitted
from incidentwire.web.keys import Keys
from services.api.app import create_app
from tests.harness import Harness
from tests.own_openapi import own_schema

OPEN = {"/healthz", "/readyz"}
# What these accept has rules that JSON Schema cannot say: a filter's grammar, a webhook's address.
SEMANTIC = ("/v1/subscriptions", "/v1/filters", "/v1/groups", "/v1/topics")
LINKS = ("/v1/feeds", "/v1/confirm", "/v1/unsubscribe")
SUBSCRIBING = (*SEMANTIC, *LINKS)


def test_no_view_but_the_two_health_checks_answers_without_a_scope(
    harness: Harness,
) -> None:
    app = harness.api_client().application
    unguarded = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if not hasattr(app.view_functions[rule.endpoint], "_scope")
    }
    assert unguarded == OPEN
    client = app.test_client()
    for path in (
        "/metrics",
        "/v1/items",
        "/v1/events/stream",
    ):
        assert client.get(path).status_code == 401
        assert client.options(path).status_code == 405


def test_a_key_without_the_scope_is_refused(harness: Harness) -> None:
    key = Keys(harness.connection).create("submitter", ["submit"])
    client = harness.api_client()
    assert (
        client.get("/v1/items", headers={"Authorization": f"Bearer {key}"}).status_code
        == 403
    )


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/v1/submissions/i_a", "are at ingest"),
        ("PUT", "/v1/items", "Allow"),
        ("GET", "/v1/items?from=yesterday", "2026-03-31"),
        ("GET", "/v1/incidents?to=today", "2026-03-31"),
    ],
)
def test_a_wrong_request_is_answered_with_what_to_do(
    harness: Harness, method: str, path: str, message: str
) -> None:
    answer = harness.api_client().open(path, method=method, headers=harness.reader)
    assert message in answer.text


def test_public_read_opens_reading(harness: Harness) -> None:
    harness.projector().catch_up()
    app = create_app(
        dataclasses.replace(harness.settings, public_read=True), harness.connection
    )
    client = app.test_client()
    for path in ("/metrics", "/v1/items", "/v1/events"):
        assert client.get(path).status_code == 200
    app.extensions["incidentwire.reader"].close()


def test_the_front_page_without_a_key_says_what_this_is_and_where_to_go(
    harness: Harness,
) -> None:
    harness.projector().catch_up()
    client = harness.api_client().application.test_client()
    page = client.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert "A newswire of data and AI harms" in page.text
    assert "This installation answers." in page.text
    for target in ("/sign-in", "/docs", "/readyz"):
        assert f'href="{target}' in page.text
        assert client.get(target).status_code == 200


@pytest.mark.parametrize("service", ["api", "ingest"])
def test_the_docs_page_needs_no_key_and_loads_nothing_from_elsewhere(
    harness: Harness, service: str
) -> None:
    app = (
        harness.api_client() if service == "api" else harness.ingest_client
    ).application
    client = app.test_client()
    document = client.get("/openapi.json").get_json()
    assert document["servers"] == [{"url": harness.settings.api_url}]
    submissions = document["paths"]["/v1/submissions"]
    assert submissions["servers"] == [{"url": harness.settings.ingest_url}]
    if service == "ingest":
        assert client.get("/").headers["Location"] == "docs"
    page = client.get("/docs")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "//" not in page.text.replace("<!--", "")
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "docs.js"):
        answer = client.get(f"/docs/{name}")
        assert answer.status_code == 200
        answer.close()
    assert client.get("/docs/..%2f__init__.py").status_code == 404


def test_numbers_add_up_and_a_lost_item_shows(harness: Harness) -> None:
    harness.add_item("i_a", labels=("data_leak",))
    harness.log.append("i_b", ItemSubmitted(url="https://news.example.org/b", via="t"))
    harness.log.append(
        "i_c",
        ItemSubmitted(url="https://news.example.org/c", via="t"),
        e.ItemRejected(reason="empty"),
    )
    client = harness.api_client()
    harness.projector().catch_up()
    stats = client.get("/v1/stats").get_json()
    assert stats["states"] == {
        "queued": 1,
        "waiting": 0,
        "classified": 1,
        "rejected": 1,
        "aliased": 0,
        "withdrawn": 0,
    }
    assert (
        stats["submitted"],
        stats["in_flight"],
        stats["conservation"],
        stats["lag"],
    ) == (3, 1, 0, 0)
    assert stats["labels"]["data_leak"] == 1
    harness.connection.zrem("iw:in_flight", "i_b")
    assert client.get("/v1/stats").get_json()["conservation"] == 1
    metrics = client.get("/metrics").text
    assert 'incidentwire_items{state="classified"} 1.0' in metrics
    assert "incidentwire_conservation_difference 1.0" in metrics
    assert 'incidentwire_label_drift{label="data_leak"} 0.0' in metrics
    harness.add_item("i_d")
    assert client.get("/v1/stats").get_json()["conservation"] is None
    assert "incidentwire_read_model_lag_events 3.0" in client.get("/metrics").text


def test_readiness_says_why_not(own_harness: Harness) -> None:
    harness = own_harness
    client = harness.api_client()
    assert "being built" in client.get("/readyz").get_json()["reasons"][0]
    harness.add_item("i_a")
    harness.add_item("i_b")
    harness.projector().catch_up()
    ready = client.get("/readyz")
    assert (ready.status_code, ready.get_json()["lag"]) == (200, 0)
    harness.connection.xdel("iw:log", "2-0")
    assert "missing from the log" in client.get("/readyz").get_json()["reasons"][0]
    harness.store.kill()
    assert client.get("/readyz").get_json()["reasons"][0].startswith("The store ")
    assert client.get("/healthz").status_code == 200
    assert client.get("/v1/events").status_code == 503


# -- the OpenAPI document ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_subscribing", [False, True])
def test_no_request_gets_a_5xx_or_an_answer_that_is_not_documented(
    harness: Harness, is_subscribing: bool
) -> None:
    harness.add_item(
        "i_a",
        "The records of ten people lay open.",
        labels=("data_leak",),
        language="en",
    )
    harness.log.append("i_b", ItemSubmitted(url="https://news.example.org/b", via="t"))
    harness.projector().catch_up()
    schema = own_schema(harness.api_client().application)
    asked = 0
    # the stream never ends: test_stream.py asks it wrong questions; incidents are asked
    # of incidents that are there, in incidents/test_openapi.py
    chosen = schema.exclude(path="/v1/events/stream")
    for found in chosen.exclude(path_regex="^/v1/incidents").get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if operation.path.startswith(SUBSCRIBING) is not is_subscribing:
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            asked += check(operation, mode, harness.reader)
    assert asked > 100


def check(operation: Any, mode: GenerationMode, headers: dict[str, str]) -> int:
    """Ask one operation many things, and say how many."""
    asked = 0

    @settings(
        max_examples=8,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        nonlocal asked
        asked += 1
        # the tool also calls wrong what it then does not send: a missing key that `headers` puts back, an empty list
        excluded = [negative_data_rejection]
        if operation.path.startswith(SEMANTIC) or {"q", "country", "topic"} & set(
            case.query or {}
        ):
            excluded.append(positive_data_acceptance)
        if operation.path.startswith(LINKS):  # a token in the address, no key
            excluded.append(ignored_auth)
        case.call_and_validate(headers=headers, excluded_checks=excluded)

    with contextlib.suppress(
        Unsatisfiable
    ):  # where there is nothing to send, nothing wrong can be sent
        ask()
    return asked


def test_it_is_openapi_3_1_and_its_schemas_are_valid(harness: Harness) -> None:
    document = harness.api_client().get("/openapi.json").get_json()
    assert document["openapi"].startswith("3.1")
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    parameters = {
        p["name"] for p in document["paths"]["/v1/events/stream"]["get"]["parameters"]
    }
    shown = {"q", "type", "label", "subject", "after", "cursor", "log_id"}
    assert parameters == shown
    assert (
        document["paths"]["/v1/events/stream"]["parameters"][0]["name"]
        == "Last-Event-ID"
    )

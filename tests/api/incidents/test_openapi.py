"""What the OpenAPI document promises of incidents, asked of incidents that are there."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    negative_data_rejection,
    positive_data_acceptance,
)

from tests.harness import Harness
from tests.newsroom import FAKE, LEAK, Newsroom
from tests.own_openapi import own_schema


def test_nothing_asked_of_an_incident_gets_a_5xx_or_an_undocumented_answer(
    harness: Harness,
) -> None:
    room = Newsroom(harness)
    first = room.add("i_a", (LEAK,), (FAKE,), title="Harbour clinic")
    second = room.add("i_b", (LEAK,), into=first)
    room.grow()
    headers = {"Authorization": f"Bearer {room.key}"}
    schema = own_schema(room.client.application)
    asked = 0
    for operation in schema.include(path_regex="^/v1/incidents").get_all_operations():
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            assert isinstance(operation, Ok)
            asked += ask(operation.ok(), mode, headers, [first, second, "n_none"])
    assert asked > 200


def ask(
    operation: Any, mode: GenerationMode, headers: dict[str, str], ids: list[str]
) -> int:
    """Ask one operation of known incidents and of an unknown one, and say how often."""
    asked = 0

    @settings(
        max_examples=12,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Any) -> None:
        nonlocal asked
        if "incident_id" in (case.path_parameters or {}):
            case.path_parameters["incident_id"] = ids[asked % len(ids)]
        asked += 1
        # the tool also calls wrong what it then does not send: a missing key that `headers` puts back, an empty list
        excluded = [negative_data_rejection]
        # neither the grammar of `q` nor the names of countries and topics are a JSON Schema's
        if {"q", "country", "topic"} & set(case.query or {}):
            excluded.append(positive_data_acceptance)
        case.call_and_validate(headers=headers, excluded_checks=excluded)

    with contextlib.suppress(
        Unsatisfiable
    ):  # where there is nothing to send, nothing wrong can be sent
        one()
    return asked

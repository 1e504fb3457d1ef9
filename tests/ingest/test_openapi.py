"""The ingest's OpenAPI document says all that can happen, and nothing asked of it breaks it."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    status_code_conformance,
)

from incidentwire.web import openapi
from tests.harness import PLAIN, Harness
from tests.own_openapi import own_schema

load_all_checks()
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance]
PLACES = (
    "/v1/submissions",
    "/v1/submissions/{item_id}",
    "/v1/submissions/{item_id}/retry",
    "/healthz",
    "/readyz",
)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("path", PLACES)
def test_no_request_gets_a_5xx_or_an_undocumented_status(
    harness: Harness, path: str, mode: GenerationMode
) -> None:
    harness.submit(text=PLAIN)
    schema = own_schema(harness.ingest_client.application)
    operations = [
        found.ok()
        for found in schema.include(path=path).get_all_operations()
        if isinstance(found, Ok)
    ]
    assert operations
    for operation in operations:
        _ask(operation, mode, harness.auth)


def _ask(operation: Any, mode: GenerationMode, headers: dict[str, str]) -> None:
    @settings(
        max_examples=25,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        case.call_and_validate(headers=headers, checks=CHECKS)

    with contextlib.suppress(
        Unsatisfiable
    ):  # where there is nothing to send, nothing wrong can be sent
        ask()


def test_it_is_openapi_3_1_and_names_every_refusal(harness: Harness) -> None:
    document = openapi.document(harness.ingest_client.application)
    assert document["openapi"].startswith("3.1")
    post = document["paths"]["/v1/submissions"]["post"]
    assert {"202", "200", "400", "401", "403", "413", "415", "422", "503"} <= set(
        post["responses"]
    )
    assert "application/x-ndjson" in post["requestBody"]["content"]


def test_an_operation_names_the_refusals_that_it_has_and_each_is_a_problem(
    harness: Harness,
) -> None:
    paths = openapi.document(harness.ingest_client.application)["paths"]
    for operations in paths.values():
        for method, operation in operations.items():
            for status, response in (
                operation["responses"].items() if method != "parameters" else ()
            ):
                assert status != "default"
                assert status < "400" or list(response["content"]) == [
                    "application/problem+json"
                ]
    refused = {
        path: {s for m in ops if m != "parameters" for s in ops[m]["responses"]}
        for path, ops in paths.items()
    }
    assert {"404", "409", "410"} <= refused["/v1/submissions/{item_id}/retry"]
    assert "410" not in refused["/v1/submissions"]
    assert refused["/healthz"] == {"200", "422", "503"}

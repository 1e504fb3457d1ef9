"""The one OpenAPI document holds for both services, along chains of calls that use each
other's answers: `make contract CHAINS=100`.

Ids in answers are random, so that no two runs are the same: this is no part of the
suite.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import positive_data_acceptance

from incidentwire.web.api_docs.merge import INGEST_SERVER
from incidentwire.web.api_docs.views import DOCUMENT
from incidentwire.web.keys import SCOPES, Keys
from tests.harness import Harness
from tests.newsroom import FAKE, LEAK, Newsroom

CHAINS = int(os.environ.get("CHAINS", "100"))
STEPS = 6
ENDLESS = "/v1/events/stream"
load_all_checks()


def test_no_chain_of_calls_gets_an_answer_that_the_document_does_not_name(
    harness: Harness,
) -> None:
    room = Newsroom(harness)
    first = room.add("i_a", (LEAK,), (FAKE,), title="Harbour clinic")
    room.add("i_b", (LEAK,), into=first)
    room.grow()
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    del document["paths"][ENDLESS]
    answers: Counter[str] = Counter()
    schema = schemathesis.openapi.from_dict(document)
    schema.app = both_services(harness, room, document, answers)
    schema.config.generation.update(modes=[GenerationMode.POSITIVE])
    key = Keys(harness.connection).create("contract", list(SCOPES))
    calls = chains_of_calls(schema, {"Authorization": f"Bearer {key}"})
    for number in range(CHAINS):
        # The store remembers what earlier chains did, which hypothesis calls flaky.
        with contextlib.suppress(FlakyStrategyDefinition):
            seed(number)(calls).run(
                settings=settings(
                    max_examples=2,  # the first one is the simplest chain there is
                    stateful_step_count=STEPS,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                    phases=[Phase.generate],
                )
            )
    assert answers["2"] > CHAINS
    assert not answers["5"]


def chains_of_calls(schema: Any, headers: dict[str, str]) -> Any:
    """Return the state machine of a schema: each call is checked against it."""

    class Calls(schema.as_state_machine()):  # type: ignore[misc]
        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": headers}

        def validate_response(self, response: Any, case: Any, **more: Any) -> None:
            excluded = []
            # JSON Schema knows neither the grammar of a filter nor the end of a cursor:
            # such a value is refused, and the refusal names it.
            if response.status_code == 422:
                problem = response.json()
                assert problem.get("errors") or problem["detail"]
                excluded.append(positive_data_acceptance)
            if response.status_code == 410:  # an earlier call withdrew the item
                excluded.append(positive_data_acceptance)
            case.validate_response(response, headers=headers, excluded_checks=excluded)

    return Calls


def both_services(
    harness: Harness, room: Newsroom, document: Any, answers: Counter[str]
) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """Return a WSGI application that sends each path to the service which has it."""
    paths = document["paths"]
    for operations in paths.values():
        servers = operations.pop("servers", [])
        operations["x-ingest"] = any(s["url"] == INGEST_SERVER for s in servers)
    ingest_paths = [
        re.compile(re.sub(r"\\{\w+\\}", "[^/.]+", re.escape(path)))
        for path, operations in paths.items()
        if operations.pop("x-ingest")
    ]
    document["servers"] = [{"url": "http://localhost"}]
    api = room.client.application
    ingest = harness.ingest_client.application

    def application(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        room.grow()  # so that no read waits for what an earlier call appended
        app = ingest if any(p.fullmatch(path) for p in ingest_paths) else api

        def counted(status: str, headers: Any, error: Any = None) -> Any:
            answers[status[0]] += 1
            return start(status, headers, error)

        return app(environ, counted)

    return application

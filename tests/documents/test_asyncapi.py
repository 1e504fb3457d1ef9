"""The AsyncAPI document is valid, names every event, and says the truth about them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator, Draft202012Validator  # type: ignore[import-untyped]

from incidentwire.events import TYPES
from tests.harness import Harness

# schemas/3.0.0.json of the npm package @asyncapi/specs 6.11.1 (Apache-2.0), without
# its descriptions.
SPECIFICATION = Path(__file__).parent / "asyncapi-3.0.0.schema.json.gz"


def specification() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(SPECIFICATION.read_bytes()))
    return found


def test_the_document_is_valid_asyncapi_and_tells_the_shape_of_each_event(
    harness: Harness,
) -> None:
    harness.add_item("i_a", labels=("data_leak",))
    client = harness.api_client()
    document = client.application.test_client().get("/asyncapi.json").get_json()
    Draft7Validator(specification()).validate(document)
    messages = document["components"]["messages"]
    assert {one["name"] for one in messages.values()} >= set(TYPES)
    assert document["servers"]["api"]["host"] in harness.settings.api_url
    for event in client.get("/v1/events").get_json()["events"]:
        payload = messages[event["type"].replace(".", "_")]["payload"]
        Draft202012Validator(payload).validate(event)


def test_the_specification_refuses_what_is_no_asyncapi() -> None:
    validator = Draft7Validator(specification())
    for wrong in (
        {"asyncapi": "3.0.0"},
        {"asyncapi": "3.0.0", "info": {"title": "x", "version": "1"}, "channel": {}},
    ):
        assert not validator.is_valid(wrong)

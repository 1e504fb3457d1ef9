"""Clients made from the OpenAPI document by tools that know nothing of us work.

In Python openapi-python-client writes one; in JavaScript swagger-client, which the page
/docs brings along, builds its calls from the document.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from incidentwire.web.api_docs.views import DOCUMENT
from tests.harness import Harness

# Calls operations by their ids; returns status and body of each.
CALLS = """async ([key, calls]) => {
  const { fn } = SwaggerUIBundle({ spec: {}, dom_id: "#api" }).getSystem();
  const spec = await (await fetch("/openapi.json")).json();
  spec.servers = [{ url: location.origin }];
  const securities = { authorized: { key: { value: key } } };
  const answers = [];
  for (const call of calls) {
    try {
      const { status, body } = await fn.execute({ spec, securities, ...call });
      answers.push([status, body]);
    } catch (error) {
      answers.push([error.status ?? String(error), error.response?.body]);
    }
  }
  return answers;
}"""


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that imports a module of the generated package."""
    generator = Path(sys.executable).with_name("openapi-python-client")
    options = tmp_path / "options.yml"
    options.write_text("post_hooks: []\n")
    command = [generator, "generate", "--path", DOCUMENT, "--meta", "none"]
    command += ["--output-path", tmp_path / "wire_client", "--config", options]
    subprocess.run(command, check=True, capture_output=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda name: importlib.import_module(f"wire_client.{name}")


def test_a_generated_client_reads_items_and_events_and_subscribes(
    harness: Harness, generated: Any
) -> None:
    harness.add_item("i_a", labels=("data_leak",), title="Harbour clinics")
    harness.projector().catch_up()
    harness.run_web()
    client = generated("client").AuthenticatedClient(
        base_url=f"http://127.0.0.1:{harness.port}", token=harness.key
    )
    with client:
        items = generated("api.items.list_items").sync(client=client)
        assert [item.title for item in items.items] == ["Harbour clinics"]
        page = generated("api.events.list_events").sync(client=client, after=1)
        assert [event.type_ for event in page.events] == [
            "item.fetched",
            "item.classified",
        ]
        models = generated("models")
        body = models.NewSubscription(
            name="Leaks", channel=models.NewSubscriptionChannel.FEED
        )
        created = generated("api.subscriptions.create_subscription").sync(
            client=client, body=body
        )
        assert created.feed_url.endswith(".atom")
        refused = generated("api.items.show_item").sync_detailed(
            "i_none", client=client
        )
        assert refused.status_code == 404


def test_a_javascript_client_reads_items_and_events_and_subscribes(
    harness: Harness, browser: Browser
) -> None:
    harness.add_item("i_a", labels=("data_leak",), title="Harbour clinics")
    harness.projector().catch_up()
    harness.run_web()
    calls = [
        {"operationId": "list_items"},
        {"operationId": "list_events", "parameters": {"after": 1}},
        {
            "operationId": "create_subscription",
            "requestBody": {"name": "Leaks", "channel": "feed"},
        },
        {"operationId": "show_item", "parameters": {"item_id": "i_none"}},
    ]
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{harness.port}/docs")
    items, events, created, refused = page.evaluate(CALLS, [harness.key, calls])
    page.close()
    assert [item["title"] for item in items[1]["items"]] == ["Harbour clinics"]
    types = [event["type"] for event in events[1]["events"]]
    assert types == ["item.fetched", "item.classified"]
    assert created[0] == 201
    assert created[1]["feed_url"].endswith(".atom")
    assert refused[0] == 404

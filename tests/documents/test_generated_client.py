"""Clients made from the OpenAPI document by tools that know nothing of us work.

In Python openapi-python-client writes one, in TypeScript openapi-typescript-codegen;
esbuild makes JavaScript of the latter.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from incidentwire.web.api_docs.views import DOCUMENT
from tests.harness import Harness
from tests.javascript import node, run_package

# Calls operations of the generated client; prints what each answers.
CALLS = """
import { OpenAPI, EventsService, ItemsService, SubscriptionsService } from "CLIENT";
[OpenAPI.BASE, OpenAPI.TOKEN] = process.argv.slice(2);
const refused = ItemsService.showItem({ itemId: "i_none" })
  .then(() => null, (error) => error.status);
console.log(JSON.stringify({
  items: await ItemsService.listItems({}),
  events: await EventsService.listEvents({ after: 1 }),
  created: await SubscriptionsService.createSubscription({ requestBody: { name: "Leaks", channel: "feed" } }),
  refused: await refused,
}));
"""


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


def test_a_generated_javascript_client_reads_items_and_events_and_subscribes(
    harness: Harness, tmp_path: Path
) -> None:
    harness.add_item("i_a", labels=("data_leak",), title="Harbour clinics")
    harness.projector().catch_up()
    harness.run_web()
    source = tmp_path / "client"
    options = ("--useOptions", "--useUnionTypes")
    run_package("openapi", "--input", DOCUMENT, "--output", source, *options)
    calls = tmp_path / "calls.ts"
    calls.write_text(CALLS.replace("CLIENT", str(source)))
    program = tmp_path / "calls.mjs"
    bundle = ("--bundle", "--format=esm", "--platform=node", f"--outfile={program}")
    run_package("esbuild", calls, *bundle, "--log-level=error")
    address = f"http://127.0.0.1:{harness.port}"
    printed = subprocess.run(
        [node(), program, address, harness.key], check=True, stdout=subprocess.PIPE
    ).stdout
    answers = json.loads(printed)
    assert [item["title"] for item in answers["items"]["items"]] == ["Harbour clinics"]
    types = [event["type"] for event in answers["events"]["events"]]
    assert types == ["item.fetched", "item.classified"]
    assert answers["created"]["feed_url"].endswith(".atom")
    assert answers["refused"] == 404

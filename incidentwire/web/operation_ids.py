"""Ids of operations in the OpenAPI document: the names of methods in generated clients."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask

# Endpoint -> id, if the name of the view function is not one yet.
IDS = {
    "curation.merge": "merge_incidents",
    "curation.move": "move_mentions",
    "curation.notes": "add_incident_note",
    "curation.split": "split_incident",
    "curation.status": "set_incident_status",
    "curation.title": "set_incident_title",
    "curation.unmerge": "undo_incident_merge",
    "curation.unsplit": "undo_incident_split",
    "corrections.correct": "correct_labels",
    "events.events": "list_events",
    "events.schema": "show_schema",
    "evidence.withdraw": "withdraw_item",
    "feeds.add": "add_feed",
    "feeds.remove": "remove_feed",
    "feeds.show": "show_feed",
    "groups.acknowledge": "acknowledge_leased_events",
    "groups.lease": "lease_events",
    "groups.refuse": "refuse_leased_events",
    "groups.replay_parked": "replay_parked_events",
    "health.healthz": "show_health",
    "health.readyz": "show_readiness",
    "incident_exports.atom_feed": "export_incidents_atom",
    "incident_exports.export_csv": "export_incidents_csv",
    "incident_exports.export_json": "export_incidents_json",
    "incident_exports.json_feed": "export_incidents_json_feed",
    "incident_history.show_diff": "show_incident_changes",
    "incident_history.show_history": "show_incident_history",
    "items.show_events": "list_item_events",
    "items.show_text": "show_item_text",
    "evidence.show_snapshot": "show_item_snapshot",
    "evidence.show_warc": "show_item_evidence",
    "search.search": "search_items_and_incidents",
    "stats.metrics": "show_metrics",
    "stream.stream": "stream_events",
    "submissions.receipt": "show_receipt",
    "submissions.retry": "retry_item",
    "submissions.submit": "submit_items",
    "subscription_links.atom_feed": "read_secret_atom_feed",
    "subscription_links.confirm": "confirm_subscription",
    "subscription_links.json_feed": "read_secret_json_feed",
    "subscription_links.show_confirm": "show_confirmation_page",
    "subscription_links.show_unsubscribe": "show_unsubscribe_page",
    "subscription_links.unsubscribe": "unsubscribe_by_link",
    "subscriptions.acknowledge": "acknowledge_delivery",
}
VARIABLE = re.compile(r"<(?:[^:<>]{1,80}:)?([^<>]{1,80})>")


def name_operations(app: Flask, document: dict[str, Any]) -> None:
    """Give operations their `operationId`; those of public views need no key."""
    for rule in app.url_map.iter_rules():
        operations = document["paths"].get(VARIABLE.sub(r"{\1}", rule.rule), {})
        is_public = getattr(app.view_functions[rule.endpoint], "_scope", None) == ()
        for method in rule.methods or ():
            if operation := operations.get(method.lower()):
                name = IDS.get(rule.endpoint, rule.endpoint.rpartition(".")[2])
                operation["operationId"] = name
                if is_public:
                    operation["security"] = []

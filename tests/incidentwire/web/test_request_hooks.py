"""CORS by a setting, and safe headers, alike on both services."""

from dataclasses import replace

import pytest

from services.api.app import create_app as create_api
from services.ingest.app import create_app as create_ingest
from tests.harness import Harness

PATHS = {create_api: "/v1/events/stream", create_ingest: "/v1/submissions"}
METHODS = {"/v1/events/stream": "GET", "/v1/submissions": "POST"}
ORIGIN = "https://desk.example.org"


@pytest.fixture(params=[create_api, create_ingest], ids=["api", "ingest"])
def service(request, harness: Harness):
    def make(**settings):
        app = request.param(replace(harness.settings, **settings), harness.connection)
        return app.test_client(), PATHS[request.param]

    return make


def preflight(client, path, origin=ORIGIN):
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    return client.options(path, headers=headers)


def test_without_the_setting_no_origin_is_allowed(service):
    client, path = service()
    answer = preflight(client, path)
    assert answer.status_code == 405
    assert answer.mimetype == "application/problem+json"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_a_named_origin_may_ask_and_reads_the_answer(service):
    client, path = service(cors_origins=frozenset({ORIGIN}))
    answer = preflight(client, path)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    read = client.get("/healthz", headers={"Origin": ORIGIN})
    assert read.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Origin" in read.headers["Vary"]


def test_another_origin_may_not(service):
    client, path = service(cors_origins=frozenset({ORIGIN}))
    answer = preflight(client, path, "https://evil.example")
    assert answer.status_code == 405
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_answers_are_not_sniffed_nor_kept_in_caches(service):
    client, _ = service()
    headers = client.get("/healthz").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_a_missing_key_is_challenged(service):
    client, path = service()
    answer = client.open(path, method=METHODS[path])
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")

"""Both services answer health checks in the same way."""

import gevent.event
import redis
from flask import Flask
from flask_smorest import Api
from marshmallow import fields

from incidentwire import store
from incidentwire.web import health, problems
from incidentwire.web.health import HealthSchema, Readiness


class ReadySchema(HealthSchema):
    lag = fields.Integer()


def client(check):
    app = Flask(__name__)
    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    api = Api(app)
    api.register_blueprint(health.make_blueprint(check, ReadySchema))
    problems.register(app, {})
    return app.test_client()


def test_a_ready_service_shows_its_facts():
    answer = client(lambda: Readiness(facts={"lag": 3})).get("/readyz")
    assert (answer.status_code, answer.json) == (200, {"status": "ready", "lag": 3})


def test_a_service_that_is_not_ready_says_why():
    ready = Readiness(facts={"lag": 9}, reasons=["Too far behind."])
    answer = client(lambda: ready).get("/readyz")
    assert (answer.status_code, answer.json["lag"]) == (503, 9)
    assert answer.json["reasons"] == ["Too far behind."]


def test_a_check_that_hangs_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(health, "READY_TIMEOUT_S", 0.01)
    ends = gevent.event.Event()

    def check():
        ends.wait(5)
        return Readiness()

    answer = client(check).get("/readyz")
    assert (answer.status_code, answer.json["reasons"]) == (503, [health.STORE_SILENT])


def test_a_store_that_is_away_is_not_ready_but_the_process_lives():
    def check():
        raise redis.exceptions.ConnectionError

    served = client(check)
    assert served.get("/readyz").json["reasons"] == [
        store.MESSAGES[store.StoreOutage.UNREACHABLE]
    ]
    assert served.get("/healthz").status_code == 200

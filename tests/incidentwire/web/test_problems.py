"""Every error of an app becomes problem details; the domain knows no HTTP."""

import errno

import pytest
import redis
from flask import Flask

from incidentwire.web import problems
from incidentwire.web.problems import MAX_FIELD_ERRORS, as_problem, field_errors


class TooFew(Exception):
    """Carries what the client needs to go on."""

    def __init__(self, message, **more):
        super().__init__(message)
        self.more = more


class FarTooFew(TooFew):
    pass


def client_raising(error):
    app = Flask(__name__)

    @app.get("/")
    def view():
        raise error

    table = {TooFew: as_problem(503, "too-few", retry_after_s=7)}
    problems.register(app, table)
    return app.test_client()


def test_the_table_says_which_problem_a_named_error_is():
    answer = client_raising(TooFew("Send three.", count=2)).get("/")
    assert answer.mimetype == problems.MEDIA_TYPE
    assert answer.headers["Retry-After"] == "7"
    assert answer.json == {
        "type": "urn:incidentwire:problem:too-few",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "Send three.",
        "count": 2,
    }


def test_an_entry_covers_subclasses():
    answer = client_raising(FarTooFew("None.")).get("/")
    assert answer.json["type"].endswith(":too-few")


def test_an_unknown_error_is_internal_and_shows_nothing_of_itself():
    answer = client_raising(ValueError("secret")).get("/")
    assert (answer.status_code, "secret" in answer.text) == (500, False)


@pytest.mark.parametrize(
    "error",
    [
        redis.exceptions.ReadOnlyError("You can't write against a read only replica."),
        redis.exceptions.ResponseError("NOREPLICAS Not enough good replicas"),
        redis.exceptions.ResponseError("MISCONF Errors writing to the AOF file"),
        redis.exceptions.NoPermissionError("User app has no permissions"),
        redis.exceptions.BusyLoadingError("LOADING"),
        redis.exceptions.OutOfMemoryError("command not allowed"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_store_or_disk_that_refuses_is_a_503_to_try_again(error):
    answer = client_raising(error).get("/")
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_a_mistake_of_ours_at_the_store_stays_a_500():
    error = redis.exceptions.ResponseError("WRONGTYPE Operation against a key")
    assert client_raising(error).get("/").status_code == 500


def test_a_body_with_a_thousand_bad_fields_gets_twenty_errors():
    messages = {"json": {f"f{n}": ["is not a field"] for n in range(1000)}}
    found = field_errors(messages)
    assert len(found) == MAX_FIELD_ERRORS
    assert (found[0].field, found[0].message) == ("f0", "is not a field")


def test_a_long_field_name_is_not_repeated_in_full():
    assert len(field_errors({"json": {"x" * 10_000: ["no"]}})[0].field) == 200

"""Request bodies are read strictly, within limits, and refused in our own words."""

import gzip
import io
import json

import pytest
from flask import Flask, request

from incidentwire.web import json_body
from incidentwire.web.json_body import MAX_JSON_BYTES, body_stream, parse, read_json
from incidentwire.web.problems import Problem


def refusal(raw):
    with pytest.raises(Problem) as caught:
        parse(raw)
    return caught.value


def post(body, max_bytes=None, **headers):
    with Flask(__name__).test_request_context(
        "/", method="POST", data=body, headers=headers, content_type="application/json"
    ):
        if max_bytes is None:
            return read_json(request)
        return body_stream(request, max_bytes).read()


def gzipped(data):
    return {"body": gzip.compress(data), "Content-Encoding": "gzip"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_accepted(encoding):
    assert parse('{"title": "泄露"}'.encode(encoding)) == {"title": "泄露"}


def test_latin_1_is_refused_as_not_utf_8():
    assert refusal('{"a": "é"}'.encode("latin-1")).detail == json_body.NOT_UTF8


@pytest.mark.parametrize("raw", [b"NaN", b'{"a": Infinity}', b"[-Infinity]", b"1e999"])
def test_what_json_numbers_cannot_be_is_refused(raw):
    assert refusal(raw).status == 422


def test_a_duplicate_key_is_refused_by_name():
    problem = refusal(b'{"url": "https://a.example/", "url": "https://b.example/"}')
    assert (problem.status, problem.errors[0].field) == (422, "url")
    assert problem.errors[0].message == json_body.DUPLICATE


def test_a_number_of_five_thousand_digits_is_refused_in_our_own_words():
    problem = refusal(b'{"version": ' + b"9" * 5000 + b"}")
    assert problem.status == 422
    assert "sys." not in str(problem.body())


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize("depth", [json_body.MAX_DEPTH + 1, 5_000])
def test_deep_nesting_is_refused(opening, depth):
    assert refusal(opening * depth).detail == json_body.TOO_DEEP


def test_an_object_of_too_many_keys_is_refused():
    body = json.dumps({f"k{n}": n for n in range(1001)}).encode()
    assert refusal(body).status == 422


@pytest.mark.parametrize("part", [b"1,", b'"k":1,', b"[", b'{"a":', b'""'])
def test_a_million_values_are_refused_before_they_are_parsed(part):
    assert refusal(b"[" + part * 1_000_000).detail == json_body.too_many(
        json_body.MAX_VALUES
    )


def test_marks_within_a_text_are_no_values():
    text = '[1, {2}, "3" \\ ' * 20_000
    assert parse(json.dumps({"text": text}).encode()) == {"text": text}


def test_text_that_is_not_json_is_malformed():
    assert refusal(b"url=https://a.example").slug == "malformed-json"


def test_gzip_is_undone():
    assert post(**gzipped(b'{"a": 1}')) == {"a": 1}


def test_several_gzip_members_are_one_body():
    body = gzip.compress(b'{"a"') + gzip.compress(b": 1}")
    assert post(body, **{"Content-Encoding": "gzip"}) == {"a": 1}


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b"{}" + b])
def test_damaged_gzip_is_refused(damage):
    body = damage(gzip.compress(b'{"a": 1}' * 100))
    with pytest.raises(Problem) as caught:
        post(body, **{"Content-Encoding": "gzip"})
    assert (caught.value.status, caught.value.slug) == (400, "malformed-gzip")


def test_a_gzip_bomb_stops_at_the_limit():
    with pytest.raises(Problem) as caught:
        post(**gzipped(b" " * (MAX_JSON_BYTES + 1)))
    assert caught.value.status == 413


def test_a_plain_body_stops_at_its_limit():
    assert post(b"123", max_bytes=3) == b"123"
    with pytest.raises(Problem) as caught:
        post(b"1234", max_bytes=3)
    assert caught.value.status == 413


def test_a_body_of_unknown_length_stops_at_its_limit():
    environ = {
        "REQUEST_METHOD": "POST",
        "wsgi.input": io.BytesIO(b"x" * 100),
        "wsgi.input_terminated": True,
    }
    stream = body_stream(Flask.request_class(environ), 10)
    with pytest.raises(Problem) as caught:
        stream.read()
    assert caught.value.status == 413


def test_another_content_encoding_is_a_415_that_names_gzip():
    with pytest.raises(Problem) as caught:
        post(b"x", **{"Content-Encoding": "br"})
    assert caught.value.status == 415
    assert caught.value.response().headers["Accept-Encoding"] == "gzip, identity"

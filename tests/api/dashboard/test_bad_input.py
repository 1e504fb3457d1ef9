"""What is wrong, doubled or too late is answered in words, and nothing written is lost."""

from __future__ import annotations

import re

import pytest
import requests
from flask.testing import FlaskClient

from incidentwire.events import ItemSubmitted
from incidentwire.net import urls
from incidentwire.web.sessions import COOKIE
from tests.api.dashboard.conftest import Member, Site
from tests.eventually import eventually
from tests.newsroom import FAKE, LEAK


def ask(member: Member, path: str, status: int) -> str:
    answer = member.get(member.base + path, headers={"Accept": "text/html"}, timeout=30)
    assert answer.status_code == status, answer.text
    return answer.text


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/incidents?labl=deepfake", "<code>labl</code>: Unknown filter. Use some of"),
        ("/incidents.csv?labl=deepfake", "<code>labl</code>: Unknown filter."),
        ("/incidents?month=x", "<code>month</code>: Use a month such as 2026-03."),
        ("/incidents?label=zzz", "<code>label</code>: Use some of data_leak"),
        ("/incidents/{clinic}?against=zz", "<code>against</code>: Use a position"),
        ("/incidents?q=" + "(" * 500, "<code>q</code>: The query is nested too deeply"),
        ("/search?q=" + "a" * 3_000, "Use at most 2,000. (at character 2001)"),
    ],
)
def test_a_filter_that_is_none_is_named(pages: Site, path: str, words: str) -> None:
    assert words in ask(Member(pages, "reader"), path.format(**pages.ids), 422)


def test_an_unknown_address_is_a_page_to_people_and_a_problem_to_programs(
    pages: Site,
) -> None:
    reader = Member(pages, "reader")
    for path in ("/nope", "/incidents/n_nope", "/items/i_nope"):
        page = ask(reader, path, 404)
        assert "Search for it, or look through the lists." in page
        assert "GET /v1" not in page
    answer = requests.get(f"{pages.base}/nope", timeout=30)
    assert answer.json()["status"] == 404
    assert (
        "default-src"
        in reader.get(
            f"{pages.base}/nope", headers={"Accept": "text/html"}, timeout=30
        ).headers["Content-Security-Policy"]
    )


def test_a_query_of_100_kb_is_refused_with_what_to_do(pages: Site) -> None:
    page = ask(Member(pages, "reader"), "/search?q=" + "a" * 100_000, 414)
    assert "Shorten the query." in page


def test_a_note_that_is_too_large_is_refused_in_words(pages: Site) -> None:
    curator = Member(pages, "curator")
    path = f"/incidents/{pages.ids['voice']}/notes"
    kept = curator.fill_in(path, note="x" * 10_000, version=0)
    assert kept.status_code == 422
    assert "x" * 10_000 in kept.text
    answer = curator.fill_in(path, note="x" * 1_200_000, version=0)
    assert answer.status_code == 413
    assert "use less than 1 MB" in answer.text


def test_a_form_that_is_sent_twice_is_done_once(pages: Site) -> None:
    curator = Member(pages, "curator")
    room = pages.room
    whole = room.add("i_twice", (FAKE,), title="A form is sent twice")
    room.add("i_twice2", (FAKE,), into=whole, title="A form is sent twice, again")
    other = room.add("i_twice3", (LEAK,), title="The other one")
    decisions = (
        ("notes", {"note": "written once"}),
        ("status", {"status": "confirmed"}),
        ("title", {"title": "Sent once"}),
        ("split", {"mentions": "i_twice2#m0"}),
        ("merge", {"into": other, "into_version": 0}),
    )
    for verb, form in decisions:
        version = room.version(whole)
        for _ in range(2):
            answer = curator.fill_in(
                f"/incidents/{whole}/{verb}", version=version, **form
            )
            assert answer.status_code == 200, answer.text
            assert "Done. It is in the history below." in answer.text
    kinds = [entry.type for entry in room.log.history(whole)]
    assert [
        kinds.count(f"incident.{kind}")
        for kind in ("noted", "status_changed", "renamed", "split", "merged")
    ] == [1] * 5


@pytest.mark.parametrize(
    ("verb", "form"),
    [
        ("title", {"title": "By the second <curator>"}),
        ("split", {"mentions": "i_both1#m0"}),
        ("merge", {"into": "{other}", "into_version": 0}),
        ("notes", {"note": "By the second <curator>"}),
    ],
)
def test_the_second_of_two_curators_loses_nothing(
    pages: Site, verb: str, form: dict[str, str]
) -> None:
    room = pages.room
    shared = room.add(f"i_both_{verb}", (LEAK,), title=f"Two at once: {verb}")
    other = room.add(f"i_rival_{verb}", (LEAK,), title="The other one")
    asked = {name: str(value).format(other=other) for name, value in form.items()}
    first = Member(pages, "admin")
    done = first.fill_in(f"/incidents/{shared}/title", title="By the first", version=0)
    assert done.status_code == 200
    answer = Member(pages, "curator").fill_in(
        f"/incidents/{shared}/{verb}", version=0, **asked
    )
    assert answer.status_code == 409
    assert "Another curator changed" in answer.text
    kept = dict(re.findall(r'name="(\w+)" value="([^"]*)"', answer.text))
    for name in asked.keys() - {"into_version"}:
        assert kept[name] == asked[name].replace("<", "&lt;").replace(">", "&gt;")
    assert room.state().get(shared).title == "By the first"


def test_words_of_every_form_outlive_the_session(pages: Site) -> None:
    form = {
        "/topics": {"name": "Robotaxis", "filter": "robotaxi OR cab"},
        "/entities": {"alias": "Voice Lab", "name": "VoiceLab"},
        "/subscriptions/new": {"filter": "label:consent", "name": "Consent"},
        "/submit": {"many": "https://a.example/1\nhttps://a.example/2"},
    }
    for path, words in form.items():
        ended = Member(pages, "curator")
        ended.cookies.clear()
        answer = ended.fill_in(path, **words)
        assert answer.status_code == 401
        for value in words.values():
            assert value in answer.text
        assert ended.csrf not in answer.text


def test_going_back_after_a_decision_shows_what_is_so_now(pages: Site) -> None:
    curator = Member(pages, "curator")
    answer = curator.get(f"{pages.base}/review", timeout=30)
    assert answer.headers["Cache-Control"] == "no-store"  # going back loads it again
    item = re.search(r'action="/review/(i_\w+)" class="card"', answer.text)
    version = re.search(r'name="version" value="(\d+)"', answer.text)
    assert item is not None
    assert version is not None
    form = {"version": version[1], "choice": ""}
    assert curator.fill_in(f"/review/{item[1]}", **form).status_code == 200
    again = curator.fill_in(f"/review/{item[1]}", **form)
    assert "Nothing was saved: the item changed since you saw it." in again.text
    undone = curator.fill_in(f"/review/{item[1]}/undo")
    assert undone.status_code == 200
    eventually(lambda: item[1] in curator.see("/review"), "it waits again")


PARAMETERS = (
    "q label without_label status topic country source language month without_month from"
    " sort cursor min_position as_of against after before url kind state limit last"
).split()
NONSENSE = ("x", "-1", "9" * 40, "%00", "%ff%fe", "9999-13", "newest..1", "%28")
OPEN = {"/sign-in", "/language"}  # forms of people who have not signed in
OF_READERS = {"/sign-out", "/subscriptions/new", "/subscriptions/x/x"}


def addresses(pages: Site, method: str) -> list[str]:
    """Return the addresses of all pages, or of all forms, with ids that exist."""
    ids = {"incident_id": pages.ids["clinic"], "item_id": "i_clinic", "kind": "csv"}
    rules = pages.harness.api_client().application.url_map.iter_rules()
    return [
        re.sub(r"<(?:\w+:)?(\w+)>", lambda name: ids.get(name[1], "x"), rule.rule)
        for rule in rules
        if method in (rule.methods or ()) and not rule.rule.startswith("/v1")
    ]


def in_process(member: Member) -> FlaskClient:
    """Return a client of the app in this process with the session of a member."""
    client = member.site.harness.api_client().application.test_client()
    client.set_cookie(COOKIE, member.cookies[COOKIE])
    client.environ_base.update(HTTP_ACCEPT="text/html", HTTP_ACCEPT_LANGUAGE="zh")
    return client


def test_no_parameter_makes_a_page_fail(pages: Site) -> None:
    client = in_process(Member(pages, "admin"))
    failed = []
    for path in addresses(pages, "GET"):
        for value in NONSENSE:
            query = "&".join(f"{name}={value}&{name}=1" for name in PARAMETERS)
            if client.get(f"{path}?{query}").status_code >= 500:
                failed.append((path, value))
        for name in PARAMETERS:
            if client.get(f"{path}?{name}=9999-12").status_code >= 500:
                failed.append((path, name))
    assert not failed


def test_every_form_needs_the_token_and_its_scope(pages: Site) -> None:
    admin = Member(pages, "admin")
    reader = Member(pages, "reader")
    clients = {name: in_process(name) for name in (admin, reader)}
    wrong = []
    for path in sorted({*addresses(pages, "POST")} - OPEN):
        for form in ({}, {"csrf": reader.csrf}):
            if clients[admin].post(path, data=form).status_code != 403:
                wrong.append((path, form))
        is_allowed = path in OF_READERS
        if path != "/sign-out":
            answer = clients[reader].post(path, data={"csrf": reader.csrf})
            if (answer.status_code != 403) != is_allowed:
                wrong.append((path, answer.status_code))
        nobody = clients[admin].application.test_client()
        ended = nobody.post(path, data={"note": "x"}).status_code
        if ended not in (401, 403) and path != "/sign-out":
            wrong.append((path, "nobody", ended))
    assert not wrong


def test_an_address_in_the_search_box_leads_to_its_item_or_to_the_form(
    pages: Site,
) -> None:
    reader = Member(pages, "reader")
    url = "https://news.example/known"
    item_id = urls.item_id(url)
    pages.harness.log.append(item_id, ItemSubmitted(url=url, via="test"))
    asked = {"q": f"{url}?utm_source=x#part"}
    answer = reader.get(f"{pages.base}/search", params=asked, timeout=30)
    assert answer.url == f"{pages.base}/items/{item_id}"
    page = ask(reader, "/search?q=https://unheard.example/a", 404)
    assert "No item has this address." in page
    assert "/submit?url=https%3A%2F%2Funheard.example%2Fa" in page
    assert "host" in ask(reader, "/search?q=http://[", 422)

"""Importing keeps what was there, and a second run changes nothing."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import command
from incidentwire.web.keys import Keys
from services.api.app import create_app
from services.ingest.app import create_app as create_ingest
from tests.harness import Harness
from tests.loopback import serving

INCIDENTS = """_id,incident_id,date,reports,title
a,23,2017-11-08,"[1]","Shuttle hit by a truck"
b,24,2014-07-15,"[2]","Robot, at a plant"
c,25,2014-07-16,"[3]",
"""
REPORTS = (
    "report_number,incident_id,title,url\n1,23,,https://news.example.org/shuttle\n"
)
OPML = """<opml version="2.0"><body>
<outline text="News" xmlUrl="https://news.example.org/feed"/></body></opml>"""
SHEET = """\ufeffLink,Headline,Date,sameAs,Body
https://news.example.org/leak,Leak,2026-03-01,,"Records were open.
All of them."
https://news.example.org/fake,Fake,2026-03-02,https://other.example.org/7,
"""


@pytest.fixture
def run(harness: Harness, monkeypatch: pytest.MonkeyPatch):
    key = Keys(harness.connection).create("ann", ["admin"])
    monkeypatch.setenv("INCIDENTWIRE_KEY", key)
    api = create_app(harness.settings, harness.connection)
    ingest = create_ingest(harness.settings, harness.connection)
    with serving(api) as api_url, serving(ingest) as ingest_url:
        monkeypatch.setenv("INCIDENTWIRE_API_URL", api_url)
        monkeypatch.setenv("INCIDENTWIRE_INGEST_URL", ingest_url)
        yield lambda *words: CliRunner().invoke(command, list(words))


def _rows(done: Result) -> list[tuple[str, str]]:
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [(row["result"], row["about"]) for row in rows]


def test_aiid_incidents_keep_their_addresses_and_are_imported_once(
    run, tmp_path: Path
) -> None:
    incidents = tmp_path / "incidents.csv"
    incidents.write_text(INCIDENTS)
    reports = tmp_path / "reports.csv"
    reports.write_text(REPORTS)
    words = ("import", "aiid", str(incidents), "--reports", str(reports), "--json")
    assert _rows(run(*words)) == [
        ("opened", "https://incidentdatabase.ai/cite/23"),
        ("opened", "https://incidentdatabase.ai/cite/24"),
        ("opened", "https://incidentdatabase.ai/cite/25"),
        ("accepted", "https://news.example.org/shuttle"),
    ]
    assert {result for result, _ in _rows(run(*words))} == {"known"}
    swapped = run("import", "aiid", str(reports))
    assert "names no column reports" in swapped.output


def test_a_spreadsheet_is_submitted_under_its_own_column_names(
    run, tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(SHEET)
    assert _rows(run("import", "csv", str(sheet), "--json")) == [
        ("opened", "https://other.example.org/7"),
        ("accepted", "https://news.example.org/leak"),
        ("accepted", "https://news.example.org/fake"),
    ]
    again = _rows(run("import", "csv", str(sheet), "--json"))
    assert {result for result, _ in again} == {"known"}


@pytest.mark.parametrize(
    "text",
    [
        "Source URL;Title;Nr.\nhttps://a.example.org/1;Leak;1\n;;\n",
        "sep=;\r\nurl;title\r\nhttps://a.example.org/1;Leak, of data\r\n",
        "Address\tTitle\nhttps://a.example.org/1\tLeak\n\t\n",
    ],
)
def test_tables_as_spreadsheets_write_them_are_read(
    run, tmp_path: Path, text: str
) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(text)
    done = run("import", "csv", str(sheet), "--json")
    assert _rows(done) == [("accepted", "https://a.example.org/1")]
    assert ("ignored: nr." in done.stderr) == ("Nr." in text)


def test_a_row_that_cannot_be_taken_stops_no_other(run, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(
        "url,title,date,same_as\nhttps://a.example.org/1,A,,not an address\n"
        "https://a.example.org/2,B,3/4/2026,\nhttps://a.example.org/3,C,,\n"
    )
    done = run("import", "csv", str(sheet), "--json")
    assert done.exit_code == 1
    assert [result for result, _ in _rows(done)] == [
        *("refused", "accepted", "refused", "accepted")
    ]


def test_the_commands_of_the_migration_page_run(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = Path(__file__).parents[2] / "docs" / "migration.md"
    lines = [x for x in page.read_text().splitlines() if x.startswith("$ incidentwire")]
    assert len(lines) == 3
    files = {"incidents.csv": INCIDENTS, "reports.csv": REPORTS, "feeds.opml": OPML}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    for line in lines:
        done = run(*shlex.split(line)[2:])
        assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,age\n", "no column url or text, but: name, age"),
        ("", "but: nothing"),
        ('url\n"a"b\n', "not CSV"),
    ],
)
def test_what_is_no_spreadsheet_of_items_is_refused(
    run, tmp_path: Path, text: str, message: str
) -> None:
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(text)
    refused = run("import", "csv", str(sheet))
    assert refused.exit_code == 1
    assert message in refused.output

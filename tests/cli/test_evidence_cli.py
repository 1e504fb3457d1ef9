"""`incidentwire check` and `incidentwire export warc`: what they print, and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from warcio.archiveiterator import ArchiveIterator

from cli.check import check
from cli.export import export
from incidentwire.log.event_log import IN_FLIGHT
from services.api.app import create_app
from services.api.read_model.projector import Projector
from tests.harness import LEAK, PLAIN, Harness, Site, page
from tests.loopback import serving
from tests.store import Store

Run = Callable[..., Result]


@pytest.fixture
def run(
    harness: Harness, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    app = create_app(harness.settings, harness.connection)
    monkeypatch.setenv("INCIDENTWIRE_KEY", harness.key)
    monkeypatch.setenv("INCIDENTWIRE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("INCIDENTWIRE_REDIS_URL", store.url)

    def command(what: str, *words: str) -> Result:
        return CliRunner().invoke({"check": check, "export": export}[what], list(words))

    with serving(app) as url:
        monkeypatch.setenv("INCIDENTWIRE_API_URL", url)
        yield command
    app.extensions["incidentwire.reader"].close()


def catch_up(harness: Harness) -> None:
    projector = Projector(harness.settings, harness.connection)
    projector.catch_up()
    projector.close()


def test_an_audit_without_fault_exits_0(harness: Harness, run: Run) -> None:
    harness.submit(text=LEAK, title="Clinic chain exposed patient records")
    harness.work()
    harness.submit(text=PLAIN, title="Benches")
    done = run("check")
    assert done.exit_code == 0, done.output
    rows = dict(line.split("\t")[::-1] for line in done.output.splitlines()[:-1])
    assert rows["submitted"] == "2"
    assert rows["classified"] == rows["in flight"] == "1"
    assert rows["unaccounted for"] == "0"
    assert "whole" in done.output
    found = [json.loads(line) for line in run("check", "--json").output.splitlines()]
    assert found[0] == {"what": "submitted", "items": 2}


def test_a_lost_item_exits_1_and_repair_brings_it_back(
    harness: Harness, run: Run
) -> None:
    item_id = harness.submit(text=PLAIN, title="Benches")
    harness.connection.delete(*harness.connection.keys("rq:*"), IN_FLIGHT)
    done = run("check")
    assert (done.exit_code, f"wrong not_in_flight {item_id}" in done.output) == (
        1,
        True,
    )
    assert "--repair" in done.output
    repaired = run("check", "--repair")
    assert (
        repaired.exit_code,
        f"repaired not_in_flight {item_id}" in repaired.output,
    ) == (0, True)
    harness.work()
    assert run("check").exit_code == 0
    assert harness.item(item_id).ended


def test_what_cannot_be_put_right_exits_1_with_repair_too(
    harness: Harness, run: Run
) -> None:
    item_id = harness.submit(text=LEAK, title="Clinic chain exposed patient records")
    harness.work()
    for path in harness.settings.data_dir.rglob("*.zst"):
        path.write_bytes(b"rot")
    assert run("check", "--quick").exit_code == 0
    done = run("check", "--repair")
    assert (done.exit_code, f"wrong damaged {item_id}" in done.output) == (1, True)


def test_many_items_are_exported_into_one_warc_file(
    harness: Harness, run: Run, web_site: Site, tmp_path: Path
) -> None:
    leak = harness.submit(
        url=web_site.put("/leak", page("Clinic chain exposed patient records", LEAK))
    )
    plain = harness.submit(
        url=web_site.put("/plain", page("Benches return to the river park", PLAIN))
    )
    harness.submit(url=web_site.url("/404"))
    harness.work()
    catch_up(harness)
    file = tmp_path / "all.warc.gz"
    done = run("export", "warc", "--output", str(file))
    assert done.exit_code == 0, done.output
    last = harness.log.last()
    assert (
        done.output
        == f"2 items written, 1 without stored evidence; next time: --after {last}\n"
    )
    assert pages_in(file) == {web_site.url("/leak"), web_site.url("/plain")}
    assert (
        run("export", "warc", "--output", str(file)).exit_code == 1
    )  # it is there already

    labelled = tmp_path / "leaks.warc.gz"
    assert (
        run(
            "export", "warc", "--output", str(labelled), "--label", "data_leak"
        ).exit_code
        == 0
    )
    assert pages_in(labelled) == {web_site.url("/leak")}
    assert "data_leak" in harness.item(leak).labels

    harness.post({}, f"/v1/submissions/{plain}/retry")
    harness.work()
    catch_up(harness)
    since = tmp_path / "since.warc.gz"
    assert (
        run("export", "warc", "--output", str(since), "--after", str(last)).exit_code
        == 0
    )
    assert pages_in(since) == {web_site.url("/plain")}


def test_an_export_that_fails_leaves_no_half_file(
    harness: Harness, run: Run, tmp_path: Path
) -> None:
    harness.submit(text=LEAK, title="Clinic chain exposed patient records")
    harness.work()
    catch_up(harness)
    for path in harness.settings.data_dir.rglob("*.zst"):
        path.write_bytes(b"rot")
    done = run("export", "warc", "--output", str(tmp_path / "out.warc.gz"))
    assert (done.exit_code, "incidentwire check" in done.output) == (1, True)
    assert list(tmp_path.glob("out*")) == []


def pages_in(file: Path) -> set[str]:
    """Return the addresses of the responses in the file, every record of which is checked."""
    found = set()
    with file.open("rb") as stream:
        for record in ArchiveIterator(stream, check_digests="raise"):
            record.content_stream().read()
            if record.rec_type == "response":
                found.add(record.rec_headers["WARC-Target-URI"])
    return found

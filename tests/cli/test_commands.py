"""The command line: what it prints, how it ends, and what it says to whoever typed something else."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from cli.main import COMMANDS, command, main
from cli.up import ensure_first_key
from incidentwire.settings import to_env
from incidentwire.web.keys import Keys
from tests.harness import LEAK, PLAIN, Harness, page, process
from tests.loopback import serving


def run(
    *arguments: str, env: dict[str, str] | None = None, stdin: str | None = None
) -> Result:
    return CliRunner().invoke(command, list(arguments), env=env, input=stdin)


@pytest.fixture
def served(harness: Harness) -> Iterator[dict[str, str]]:
    """Serve the ingest app; yield the environment with which commands find it."""
    with serving(harness.ingest_client.application) as url:
        yield {
            **to_env(harness.settings),
            "INCIDENTWIRE_INGEST_URL": url,
            "INCIDENTWIRE_KEY": harness.key,
        }


def test_urls_are_submitted_and_each_has_its_line(
    served: dict[str, str], harness: Harness
) -> None:
    result = run("submit", "https://example.org/1", "https://example.org/2", env=served)
    assert result.exit_code == 0
    header, *lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert header == ["id", "result", "position", "about"]
    assert [line[1:] for line in lines] == [
        ["accepted", "1", "https://example.org/1"],
        ["accepted", "2", "https://example.org/2"],
    ]
    listed = "\ufeff# of today\nhttps://example.org/1\r\n\n"
    again = run("submit", "--file", "-", "--json", env=served, stdin=listed)
    assert json.loads(again.stdout)["result"] == "known"
    assert harness.log.last() == 2


def test_a_refused_line_is_named_and_the_exit_code_says_so(
    served: dict[str, str], tmp_path: Path
) -> None:
    items = tmp_path / "items.ndjson"
    items.write_text('{"text": "good"}\n{"url": "ftp://example.org/"}\n')
    result = run("submit", "--ndjson", str(items), env=served)
    assert result.exit_code == 1
    _, good, bad = [line.split("\t") for line in result.stdout.splitlines()]
    assert good[1] == "accepted"
    assert bad[1] == "refused"
    assert bad[3].startswith("ftp://example.org/: url")


def test_a_text_is_submitted_with_its_title_and_waited_for(
    served: dict[str, str], harness: Harness
) -> None:
    with process(harness, "services.classifier.worker"):
        arguments = ["submit", "--text", "-", "--title", "Clinics", "--wait", "--json"]
        result = run(*arguments, env=served, stdin=LEAK)
    assert result.exit_code == 0
    row = json.loads(result.stdout)
    assert row["result"] == "classified"
    assert "data_leak" in row["labels"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["submit"], "--file urls.txt"),
        (["submit", "x", "--file", "-"], "--file urls.txt"),
        (["submit", "x", "--title", "T"], "--text TEXT"),
        (["submit", "x", "y", "--text", "T"], "at most one URL"),
        (["submit", "--text", "T", "--file", __file__], "at most one URL"),
        (["up", "--api-port", "70000"], "65535"),
        (["up", "--api-port", "8000", "--ingest-port", "8000"], "must differ"),
        (["up", "--host", "192.0.2.1"], "address of this machine"),
        (["up", "--data-dir", __file__], "is a file"),
        (["review", "list", "--limit", "0"], "x>=1"),
        (["items", "show", "n_x"], "ids of items begin with i_"),
        (["incidents", "show", "https://x.org"], "ids of incidents begin with n_"),
        (["keys", "create", " "], "printable"),
        (["demo", "--articles", "/nowhere"], "does not exist"),
        (["demo", "--articles", "docs/pictures"], "There is no .json file"),
        (["demo", "--articles", "docs/schemas"], "no JSON object with a title"),
        (["items", "correct", "i_x"], "--none"),
        (["sumbit"], "submit"),
        (["--profile", "x", "items", "list"], "after the command"),
        (["classify"], "--input"),
        (["keys", "create", "x", "--scope", "root"], "'read'"),
        (["explain", "no-such-file.txt"], "standard input"),
    ],
)
def test_a_wrong_call_says_what_to_type_instead(
    arguments: list[str], expected: str
) -> None:
    result = run(*arguments)
    assert result.exit_code in (1, 2)
    assert expected in result.output


def test_without_a_server_or_a_key_there_is_one_line_and_no_trace(
    served: dict[str, str],
) -> None:
    away = run(
        "submit",
        "https://example.org/",
        env={**served, "INCIDENTWIRE_INGEST_URL": "http://127.0.0.1:1"},
    )
    assert (away.exit_code, "incidentwire up" in away.output) == (1, True)
    wrong = run(
        "submit",
        "https://example.org/",
        env={**served, "INCIDENTWIRE_KEY": "iwk_wrong"},
    )
    assert (wrong.exit_code, "unknown or revoked" in wrong.output) == (1, True)
    none = run("submit", "https://example.org/", env={**served, "INCIDENTWIRE_KEY": ""})
    assert (none.exit_code, "INCIDENTWIRE_KEY" in none.output) == (1, True)


def test_a_data_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "elsewhere"
    result = run("items", "list", "--data-dir", str(missing))
    assert result.exit_code == 2
    assert "does not exist" in result.output
    assert "elsewhere" in result.output


def test_keys_are_made_listed_and_revoked(harness: Harness) -> None:
    env = to_env(harness.settings)
    made = run(
        "keys", "create", "desk", "--scope", "read", "--scope", "curate", env=env
    )
    secret = made.stdout.strip()
    found = Keys(harness.connection).find(secret)
    assert found is not None
    assert found.scopes == ("read", "curate")
    listed = run("keys", "list", env=env).stdout
    assert "desk" in listed
    assert secret not in listed
    revoked = json.loads(run("keys", "revoke", "desk", "--json", env=env).stdout)
    assert revoked == {"name": "desk", "result": "revoked"}
    assert run("keys", "revoke", "desk", env=env).exit_code == 1


def test_the_first_key_is_made_once(harness: Harness, tmp_path: Path) -> None:
    harness.connection.flushall()
    url = harness.settings.redis_url
    path = ensure_first_key(url, tmp_path)
    assert path is not None
    secret = path.read_text()
    assert ensure_first_key(url, tmp_path) == path
    assert path.read_text() == secret
    path.unlink()
    assert ensure_first_key(url, tmp_path) is None  # as on restored data


def test_texts_in_a_file_are_classified_in_order(tmp_path: Path) -> None:
    rows = [
        {"id": f"r{n}", "title": "Clinics", "text": LEAK if n % 2 else PLAIN}
        for n in range(6)
    ]
    source = tmp_path / "in.jsonl"
    out = tmp_path / "out.jsonl"
    source.write_text("\n".join(json.dumps(row) for row in rows))
    assert (
        run(
            "classify", "--input", str(source), "--output", str(out), "--processes", "1"
        ).exit_code
        == 0
    )
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in found] == [row["id"] for row in rows]
    assert ["data_leak" in row["labels"] for row in found] == [False, True] * 3
    start, end = found[1]["evidence"]["data_leak"][0]
    assert "records" in LEAK[start:end] or "personal data" in LEAK[start:end]
    assert set(found[0]) == {"id", "labels", "scores", "evidence", "review"}


def test_pages_in_a_folder_are_extracted_packed_or_not(tmp_path: Path) -> None:
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "a.html").write_bytes(page("Clinics exposed records", LEAK))
    (tmp_path / "html" / "b.html.gz").write_bytes(
        gzip.compress(page("Benches return", PLAIN))
    )
    (tmp_path / "html" / "c.html").write_bytes(b"")
    rows = [
        {"id": name, "html": f"html/{name}", "url": "https://example.org/x"}
        for name in ("a.html", "b.html.gz", "c.html")
    ]
    source = tmp_path / "gold.jsonl"
    out = tmp_path / "out.jsonl"
    source.write_text("\n".join(json.dumps(row) for row in rows))
    result = run(
        "extract",
        "--input",
        str(source),
        "--html-dir",
        str(tmp_path),
        "--output",
        str(out),
        "--processes",
        "1",
    )
    assert result.exit_code == 0
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["title"] for row in found[:2]] == [
        "Clinics exposed records",
        "Benches return",
    ]
    assert "61,000 patients" in found[0]["text"]
    assert found[2]["error"]


def test_texts_are_grouped_by_what_happened(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "title": "Clinics", "text": LEAK},
        {"id": "b", "title": "Clinics", "text": LEAK},
        {"id": "c", "title": "B", "text": PLAIN},
    ]
    source = tmp_path / "in.jsonl"
    out = tmp_path / "out.jsonl"
    source.write_text("\n".join(json.dumps(row) for row in rows))
    assert (
        run("cluster", "--all", "--input", str(source), "--output", str(out)).exit_code
        == 0
    )
    found = {
        row["id"]: row["cluster"]
        for row in map(json.loads, out.read_text().splitlines())
    }
    assert found["a"] == found["b"] != found["c"]


def test_a_bad_row_is_named_by_its_line(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": "a"}\nnonsense\n')
    result = run(
        "classify",
        "--input",
        str(source),
        "--output",
        str(tmp_path / "out"),
        "--processes",
        "1",
    )
    assert (result.exit_code, "in.jsonl:2" in result.output) == (1, True)


def test_explain_shows_the_text_its_labels_and_what_counted() -> None:
    result = run("explain", "-", "--title", "Clinics exposed records", stdin=LEAK)
    assert result.exit_code == 0
    assert "● data_leak" in result.output
    assert "61,000 patients" in result.output


def test_a_misspelt_setting_stops_every_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("INCIDENTWIRE_REDIS_URI", "redis://x")
    monkeypatch.setattr("sys.argv", ["incidentwire", "keys", "list"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2


def cli(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a shell does."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("INCIDENTWIRE_")}
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        env=clean | environ,
        input="",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "environ", "code", "message"),
    [
        (["keys", "list"], {}, 1, "The store does not answer"),
        (["check"], {}, 1, "The store does not answer"),
        (["reclassify"], {}, 1, "The store does not answer"),
        (["incidents", "list"], {}, 1, "--data-dir"),
        (["items", "list"], {"KEY": "x", "API_URL": "here:80"}, 2, "http://"),
        (["items", "list"], {"KEY": "x", "API_URL": "http://h:1"}, 1, "No answer"),
        (["submit", "--file", sys.executable], {"KEY": "x"}, 1, "not UTF-8"),
        (["explain", sys.executable], {}, 1, "not UTF-8"),
        (["tail", "--cursor", __file__], {"KEY": "x"}, 1, "does not hold a position"),
        (["keys", "list", "--profile", __file__], {}, 2, "INCIDENTWIRE_NAME=value"),
        (["keys", "list"], {"REDIS_URI": "redis://x"}, 2, "INCIDENTWIRE_REDIS_URI"),
        (["items", "list", "--limit", "0"], {}, 2, "x>=1"),
        (["up", "--redis-url", "localhost"], {}, 2, "must begin with redis://"),
    ],
)
def test_nothing_that_a_user_can_cause_ends_with_a_traceback(
    tmp_path: Path,
    arguments: list[str],
    environ: dict[str, str],
    code: int,
    message: str,
) -> None:
    named = {f"INCIDENTWIRE_{name}": value for name, value in environ.items()}
    done = cli(*arguments, INCIDENTWIRE_DATA_DIR=str(tmp_path), **named)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_full_disk_and_a_closed_pipe_end_in_one_line(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"id": "a", "text": "x"}\n')
    arguments = ["--input", str(source), "--output", "/dev/full", "--processes", "1"]
    full = cli("classify", *arguments)
    assert (full.returncode, "No space is left" in full.stderr) == (1, True)
    assert "Traceback" not in full.stderr
    line = f"{sys.executable} -m cli --help 3>&1 >&2 | true"
    piped = subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in piped.stderr


def test_help_lines_are_those_of_the_commands_and_name_the_installation() -> None:
    context = click.Context(command)
    for name, (_, line) in COMMANDS.items():
        found = command.get_command(context, name)
        assert found is not None
        assert found.help is not None
        assert line.split(",")[0].split(":")[0].rstrip(".") in found.help, name
        leaf = found
        while isinstance(leaf, click.Group):
            leaf = next(iter(leaf.commands.values()))
        assert "--data-dir" in leaf.get_help(click.Context(leaf)), name


NOT_ROWS = {
    *("up", "demo"),  # run until they are ended
    *("extract", "classify", "cluster"),  # write JSON lines to --output
    *("corrections export", "export warc", "feeds export", "completion"),  # a format
}


def test_every_command_that_answers_in_rows_can_answer_in_json() -> None:
    without = {
        words
        for words, found in _all_commands(command, ())
        if not any("--json" in param.opts for param in found.params)
    }
    assert without == NOT_ROWS


def _all_commands(
    found: click.Command, words: tuple[str, ...]
) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(found, click.Group):
        yield " ".join(words), found
        return
    context = click.Context(found)
    for name in found.list_commands(context):
        below = found.get_command(context, name)
        assert below is not None
        yield from _all_commands(below, (*words, name))


def test_commands_are_loaded_only_when_called() -> None:
    code = "import sys, cli.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"requests", "redis", "flask", "numpy", "rich", "trafilatura"}


def test_each_shell_gets_a_script_that_completes_commands_and_values() -> None:
    for shell in ("bash", "zsh", "fish"):
        result = run("completion", shell)
        assert "_INCIDENTWIRE_COMPLETE" in result.stdout
    asked = {
        "_INCIDENTWIRE_COMPLETE": "bash_complete",
        "COMP_WORDS": "incidentwire items list --state w",
        "COMP_CWORD": "4",
    }
    found = CliRunner().invoke(command, [], env=asked, prog_name="incidentwire")
    assert found.stdout.split() == ["plain,waiting", "plain,withdrawn"]

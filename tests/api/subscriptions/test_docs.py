"""What docs/subscriptions.md shows works as printed: shell, Python, JavaScript, Flask."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest

from cli.main import command as incidentwire
from services.api.subscriptions import webhook
from services.api.subscriptions.secrets import new_webhook_secret
from tests.harness import Harness
from tests.javascript import node
from tests.store import Store

PAGE = Path(__file__).parents[3] / "docs" / "subscriptions.md"


def blocks(language: str) -> list[str]:
    """Return the page's code blocks of a language."""
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def shell_lines() -> list[str]:
    """Return the commands of the page, each on one line."""
    lines = [re.split(r"^\$ ", block, flags=re.M) for block in blocks("console")]
    found = [line.strip().replace("\\\n", " ") for part in lines for line in part]
    return [line for line in found if line]


def output_of(program: list[str | Path], environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        program, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (program, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture
def environment(store: Store, tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """Run an API with one classified item; yield what the examples need to find it."""
    connection = store.connect()
    with Harness(connection, store.url, tmp_path / "data") as harness:
        harness.add_item("i_a", labels=("data_leak",))
        harness.projector().catch_up()
        harness.run_web()
        api = f"http://127.0.0.1:{harness.port}"
        yield {**os.environ, "API": api, "KEY": harness.key}
    connection.close()


def test_the_examples_of_shell_python_and_javascript_work(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    asked = [line for line in shell_lines() if line.startswith("curl")]
    assert len(asked) == 6
    for line in asked:
        answer = output_of(["bash", "-c", f"{line} --fail-with-body"], environment)
        assert isinstance(json.loads(answer), dict)
    [python] = [code for code in blocks("python") if "client.stream" in code]
    printed = output_of([sys.executable, "-c", python], environment)
    assert printed == "3 item.classified i_a\n"
    [script] = [code for code in blocks("js") if "fetch" in code]
    file = tmp_path / "poll.mjs"
    file.write_text(script)
    lines = output_of([node(), file], environment).splitlines()
    assert lines[2] == "3 item.classified i_a"


def test_the_commands_exist_with_their_options() -> None:
    shown = [line.split() for line in shell_lines() if line.startswith("incidentwire")]
    assert len(shown) == 5
    for _, name, *words in shown:
        found = incidentwire.get_command(click.Context(incidentwire), name)
        if isinstance(found, click.Group):
            found = found.commands[words[0]]
        assert found is not None
        known = {option for each in found.params for option in each.opts}
        assert {word for word in words if word.startswith("--")} <= known


def test_the_flask_receiver_proves_itself_and_takes_a_message_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = new_webhook_secret()
    monkeypatch.setenv("SECRET", secret)
    [code] = [block for block in blocks("python") if "flask" in block]
    names: dict[str, Any] = {"__name__": "receiver"}
    exec(code, names)
    client = names["app"].test_client()
    challenged = client.post("/hook", headers={"webhook-challenge": "abc"})
    assert challenged.headers["webhook-challenge-response"] == "abc"
    message = {"type": "incident.opened", "data": {"summary": "New incident."}}
    body = json.dumps(message).encode()
    headers = webhook.headers("s_a_1", body, [secret], datetime.now(UTC))
    for _ in range(2):
        assert client.post("/hook", data=body, headers=headers).status_code == 204
    assert capsys.readouterr().out == "incident.opened New incident.\n"
    assert client.post("/hook", data=body + b" ", headers=headers).status_code == 401

"""Every command that docs/subscriptions.md shows works as printed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from tests.harness import Harness
from tests.store import Store

PAGE = Path(__file__).parents[3] / "docs" / "subscriptions.md"


def test_the_commands_of_the_page_answer_with_json(
    store: Store, tmp_path: Path
) -> None:
    blocks = re.findall(r"```console\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    commands = [
        command.strip().replace("\\\n", " ")
        for block in blocks
        for command in re.split(r"^\$ ", block, flags=re.M)
        if command.startswith("curl")
    ]
    assert len(commands) == 6
    connection = store.connect()
    with Harness(connection, store.url, tmp_path / "data") as harness:
        harness.add_item("i_a", labels=("data_leak",))
        harness.projector().catch_up()
        harness.run_web()
        environment = os.environ | {
            "API": f"http://127.0.0.1:{harness.port}",
            "KEY": harness.key,
        }
        for command in commands:
            done = subprocess.run(
                ["bash", "-c", f"{command} --fail-with-body"],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, (command, done.stdout)
            assert isinstance(json.loads(done.stdout), dict)
    connection.close()

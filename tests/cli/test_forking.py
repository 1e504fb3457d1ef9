"""A module in a fork ends as it would end in an interpreter of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SUPERVISOR = """
import signal, sys
from cli.forking import fork_module
child = fork_module("child", ["ending"], {"NAME": "of the child"}, signal.SIGKILL)
print(child.stdout.read().decode(), child.wait())
"""


@pytest.mark.parametrize(
    ("code", "printed", "status"),
    [
        ("import os; print(os.environ['NAME'], len(os.environ))", "of the child 1", 0),
        ("import sys; sys.exit(3)", "", 3),
        ("import sys; sys.exit('no such port')", "no such port", 1),
        ("raise ValueError('broken')", "ValueError: broken", 1),
        ("import atexit; atexit.register(print, 'at the end')", "at the end", 0),
        ("import os; os.kill(os.getpid(), 15)", "", -15),
        ("print(open('/proc/self/comm').read())", "child", 0),
    ],
)
def test_a_forked_module_ends_as_in_an_interpreter_of_its_own(
    tmp_path: Path, code: str, printed: str, status: int
) -> None:
    (tmp_path / "ending.py").write_text(code)
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{SUPERVISOR}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert printed in done.stdout
    assert done.stdout.split()[-1] == str(status)
    assert done.stderr == ""

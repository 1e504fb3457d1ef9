"""Nearly all tests pass on Python 3.13.

The image runs 3.13, while `make test` runs whatever Python made `.venv`. Left out is what
needs programs that the slim image does not have, and what starts everything many times.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from compose_tests.engine import ROOT, start_engine

IMAGE = "python:3.13-slim"
LEFT_OUT = " ".join(
    f"--ignore={path}"
    for path in (
        "tests/api/dashboard",  # a browser and npm
        "tests/api/items/test_evidence.py",  # a browser
        "tests/api/subscriptions/test_docs.py",  # curl and node
        "tests/api/subscriptions/test_signatures.py",  # node
        "tests/documents",  # curl and npm
        "tests/test_wheel.py",  # git
        "tests/cli",  # time: it starts everything many times
    )
)
SCRIPT = f"""set -euo pipefail
python -m venv /venv
/venv/bin/pip install --quiet --require-hashes -r requirements-dev.lock
/venv/bin/pip install --quiet --no-deps --no-build-isolation -e .
/venv/bin/pytest -q -n 4 --dist loadfile -p no:cacheprovider tests {LEFT_OUT}"""


@pytest.mark.timeout(1_200)
def test_nearly_all_tests_pass_on_python_3_13(tmp_path: Path) -> None:
    start_engine()
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT)
    packing = ["tar", "-c", "--null", "-T", "-"]
    packed = subprocess.check_output(packing, cwd=ROOT, input=listed)
    subprocess.run(["tar", "-x"], cwd=tmp_path, input=packed, check=True)
    mount = f"{tmp_path}:/checkout"
    # An init reaps orphans, which a test of killed parents waits for.
    run = ["docker", "run", "--rm", "--init", "--network", "host", "-v", mount]
    done = subprocess.run(
        [*run, "-w", "/checkout", IMAGE, "bash", "-c", SCRIPT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout[-3000:], done.stderr[-3000:])

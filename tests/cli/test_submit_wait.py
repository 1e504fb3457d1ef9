"""What `submit --wait` says while it waits."""

from __future__ import annotations

import pytest

from cli import submit


def test_a_page_that_is_tried_again_is_announced_once_per_attempt(
    capsys: pytest.CaptureFixture[str],
) -> None:
    receipt = {
        "state": "waiting",
        "attempt": 1,
        "detail": "503\x1b[31m from the server",
        "reason": "http_error",
        "next_try": "2026-03-01T10:00:00Z",
    }
    about = "https://news.example.org/a"
    reported = submit._report_retry(receipt, about, 0)
    assert submit._report_retry(receipt, about, reported) == reported
    result = capsys.readouterr().err
    assert result.count("\n") == 1
    assert "attempt 1 failed (503" in result
    assert "tried again at 2026-03-01T10:00:00Z" in result
    assert "\x1b" not in result
    assert submit._report_retry({"state": "queued", "attempt": 0}, "x", 0) == 0

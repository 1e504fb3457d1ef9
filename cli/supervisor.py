"""Run child processes: prefix their output, restart those that end, stop all in order."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cli import forking
from cli.forking import ForkedProcess, fork_module
from cli.parent_death import die_with_parent

TICK_S = 0.2  # how often ended children are looked for
STOP_S = 30.0  # a child that has not ended by then is killed
STABLE_S = 60.0  # a child that ran so long starts over with the shortest backoff
MAX_BACKOFF_S = 30.0
READ_BYTES = 65_536

Echo = Callable[[str, str], None]  # (name of the child, line)


@dataclass
class Child:
    """One supervised process. Those that stop last end after all others.

    A module is run in a fork: its command begins with its name.
    """

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    is_module: bool = False
    stops_last: bool = False
    inherited_fds: tuple[int, ...] = ()
    parent_death_signal: signal.Signals = signal.SIGKILL
    process: subprocess.Popen[bytes] | ForkedProcess | None = None
    started_at: float = 0.0
    restart_at: float | None = None
    failures: int = 0
    partial_line: bytes = field(default=b"", repr=False)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def backoff_s(self) -> float:
        """Return the wait before the next start: 1 s, doubling up to MAX_BACKOFF_S."""
        return float(min(MAX_BACKOFF_S, 2 ** max(0, self.failures - 1)))


class Supervisor:
    """The parent of all processes. Use it in the main thread: it installs signal handlers.

    Children run in sessions of their own, so that Ctrl-C reaches only the supervisor. If
    the supervisor is killed, the kernel ends them (on Linux).
    """

    def __init__(self, echo: Echo) -> None:
        self.children: list[Child] = []
        self.is_stopping = False
        self.is_stopped = False
        self._echo = echo
        self._selector = selectors.DefaultSelector()

    def handle_signals(self) -> None:
        """Let SIGTERM and SIGINT stop everything; further signals change nothing."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._request_stop)

    def start(self, child: Child) -> None:
        """Start a child and supervise it from now on."""
        self.children.append(child)
        self._spawn(child)

    def run(self) -> None:
        """Supervise until a stop is requested, then stop all children."""
        while not self.is_stopping:
            self.tick()
        self.stop()

    def tick(self) -> float:
        """Pass on output for at most TICK_S and restart what has ended; return TICK_S."""
        self._pump(TICK_S)
        if not self.is_stopping:
            for child in self.children:
                self._restart_if_ended(child)
        return TICK_S

    def stop(self) -> None:
        """Stop all children; those that stop last only when the others have ended."""
        self.is_stopping = True
        self._echo("up", "stopping")
        for is_last in (False, True):
            group = [child for child in self.children if child.stops_last is is_last]
            self._stop_group(group)
        self.is_stopped = True
        self._echo("up", "all processes have ended")

    def _request_stop(self, *_: object) -> None:
        self.is_stopping = True

    def _spawn(self, child: Child) -> None:
        child.process = _start_process(child)
        child.started_at = time.monotonic()
        child.restart_at = None
        assert child.process.stdout is not None  # noqa: S101  # for mypy
        os.set_blocking(child.process.stdout.fileno(), False)
        self._selector.register(child.process.stdout, selectors.EVENT_READ, child)

    def _restart_if_ended(self, child: Child) -> None:
        if child.is_running or child.process is None:
            return
        now = time.monotonic()
        if child.restart_at is None:
            is_stable = now - child.started_at > STABLE_S
            child.failures = 1 if is_stable else child.failures + 1
            child.restart_at = now + child.backoff_s()
            code = child.process.returncode
            wait = f"{child.backoff_s():g} s"
            self._echo(
                "up", f"{child.name} ended ({code}); starting it again in {wait}"
            )
        elif now >= child.restart_at:
            self._spawn(child)

    def _stop_group(self, group: list[Child]) -> None:
        for child in group:
            if child.process is not None and child.is_running:
                child.process.terminate()
        deadline = time.monotonic() + STOP_S
        while any(child.is_running for child in group) and time.monotonic() < deadline:
            self._pump(TICK_S / 4)
        for child in group:
            if child.process is not None and child.is_running:
                self._echo(
                    "up", f"{child.name} did not end within {STOP_S:g} s: killed"
                )
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.process.pid, signal.SIGKILL)
                child.process.wait()
        self._pump(0)

    def _pump(self, timeout_s: float) -> None:
        if not self._selector.get_map():
            time.sleep(timeout_s)
            return
        for key, _ in self._selector.select(timeout_s):
            self._read(key.data, key.fileobj)

    def _read(self, child: Child, pipe: object) -> None:
        try:
            received = os.read(pipe.fileno(), READ_BYTES)  # type: ignore[attr-defined]
        except BlockingIOError:
            return
        if not received:
            self._selector.unregister(pipe)  # type: ignore[arg-type]
            pipe.close()  # type: ignore[attr-defined]
            return
        *lines, child.partial_line = (child.partial_line + received).split(b"\n")
        for line in lines:
            self._echo(child.name, line.decode(errors="replace"))


def _start_process(child: Child) -> subprocess.Popen[bytes] | ForkedProcess:
    if child.is_module and forking.IS_SUPPORTED:
        return fork_module(
            child.name, child.command, child.environ, child.parent_death_signal
        )
    interpreter = (sys.executable, "-m") if child.is_module else ()
    return subprocess.Popen(  # noqa: S603  # our own command line
        [*interpreter, *child.command],
        env=dict(child.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=child.inherited_fds,
        preexec_fn=die_with_parent(child.parent_death_signal),
    )

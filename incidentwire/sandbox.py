"""Work on strangers' bytes in a child process with limits on time and memory.

The child is forked from a process that has loaded what it needs, so that it is cheap,
and serves many calls. A call that takes too much kills the child and nothing else; the
next call forks another. Arguments and results are bytes, never pickles.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import math
import multiprocessing
import os
import resource
import signal
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

from incidentwire.telemetry import event_line

POLL_S = 1.0  # how often a caller that waits may renew its lease
MEMORY_EXIT = 77  # exit status of a child that ran out of memory
FORK_AGAIN_CALLS = 2_000  # libraries leak: a child that served so many is replaced
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
ERROR = b"!"  # first byte of a reply
RESULT = b"="

logger = logging.getLogger(__name__)

Function = Callable[[bytes], bytes]


class LimitExceeded(Exception):
    """A call took more processor time, wall time or memory than it may. `limit` is
    `cpu`, `wall` or `memory`. The same call again would take as much."""

    def __init__(self, limit: str) -> None:
        super().__init__(f"the sandbox reached its limit of {limit}")
        self.limit = limit


class SandboxDied(Exception):
    """The child died of something else; the same call may succeed in another."""


class SandboxError(Exception):
    """The function raised. The message is the name of the exception's class; the
    traceback is in the log."""


@dataclass(frozen=True, kw_only=True)
class SandboxLimits:
    """What one call may take. `memory_bytes` is on top of what the parent had mapped
    when the child was forked."""

    cpu_s: int = 20
    wall_s: float = 60.0
    memory_bytes: int = 1_500_000_000


@dataclass(frozen=True, kw_only=True)
class _Child:
    pid: int
    connection: Connection


class Sandbox:
    """Calls `functions` by name in a child process. Threads may share it; calls are
    served one after the other."""

    def __init__(
        self, functions: Mapping[str, Function], limits: SandboxLimits | None = None
    ) -> None:
        self.functions = functions
        self.limits = limits or SandboxLimits()
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._end: weakref.finalize[..., Any] | None = None
        self._calls = 0

    @property
    def pid(self) -> int | None:
        """Return the process id of the child, None if there is none now."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Fork the child now. Call this before the process starts threads."""
        with self._lock:
            self._forked()

    def close(self) -> None:
        """Kill the child. A later call forks another."""
        with self._lock:
            self._kill()

    def call(
        self, name: str, data: bytes, *, while_waiting: Callable[[], None] | None = None
    ) -> bytes:
        """Return what the function makes of `data`.

        `while_waiting` is called about every POLL_S seconds; if it raises, the child
        is killed. Raises LimitExceeded, SandboxDied and SandboxError.
        """
        with self._lock:
            child = self._forked()
            try:
                child.connection.send_bytes(name.encode())
                child.connection.send_bytes(data)
                self._wait(child.connection, while_waiting)
                reply = child.connection.recv_bytes()
            except (EOFError, ConnectionError):
                raise _cause_of_death(self._kill()) from None
            except BaseException:
                self._kill()
                raise
        if reply[:1] == ERROR:
            raise SandboxError(reply[1:].decode())
        return reply[1:]

    def _wait(
        self, connection: Connection, while_waiting: Callable[[], None] | None
    ) -> None:
        deadline = time.monotonic() + self.limits.wall_s
        while not connection.poll(min(POLL_S, max(0, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                raise LimitExceeded("wall")
            if while_waiting is not None:
                while_waiting()

    def _forked(self) -> _Child:
        if self._child is not None and self._calls >= FORK_AGAIN_CALLS:
            self._kill()
        if self._child is None:
            self._child = _fork(self.functions, self.limits)
            self._end = weakref.finalize(self, _end_child, self._child, os.getpid())
            self._calls = 0
        self._calls += 1
        return self._child

    def _kill(self) -> int:
        """Kill the child and return its wait status."""
        if self._child is None or self._end is None:
            return 0
        child = self._child
        self._child = None
        self._end.detach()
        return _end_child(child, os.getpid())


def limit_process(*, cpu_s: int, memory_bytes: int) -> None:
    """Limit this process for the rest of its life. A kernel that does not limit
    address space is accepted."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _fork(functions: Mapping[str, Function], limits: SandboxLimits) -> _Child:
    parents_end, childs_end = multiprocessing.Pipe()
    parent = os.getpid()
    in_main_thread = threading.current_thread() is threading.main_thread()
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads. The child uses none of their locks.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            if in_main_thread:  # the signal comes at the end of the forking *thread*
                _die_with(parent)
            _serve(childs_end, functions, limits)
        finally:
            os._exit(1)
    childs_end.close()
    return _Child(pid=pid, connection=parents_end)


def _end_child(child: _Child, owner: int) -> int:
    if os.getpid() != owner:  # inherited by a fork: not ours to end
        return 0
    child.connection.close()
    try:
        ended, status = os.waitpid(child.pid, os.WNOHANG)
        if not ended:
            os.kill(child.pid, signal.SIGKILL)
            _, status = os.waitpid(child.pid, 0)
    except (ChildProcessError, ProcessLookupError):  # somebody else has reaped it
        return 0
    return status


def _cause_of_death(status: int) -> Exception:
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        return LimitExceeded("cpu")
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == MEMORY_EXIT:
        return LimitExceeded("memory")
    return SandboxDied(f"wait status {status}")


# -- in the child ------------------------------------------------------------------


def _serve(
    connection: Connection, functions: Mapping[str, Function], limits: SandboxLimits
) -> NoReturn:
    gc.freeze()  # what was inherited stays shared, and its finalizers do not run
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    _close_all_but(connection.fileno())
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory(limits.memory_bytes)
    while True:
        try:
            name = connection.recv_bytes().decode()
            data = connection.recv_bytes()
        except (EOFError, ConnectionError):
            os._exit(0)
        _limit_cpu(limits.cpu_s)
        connection.send_bytes(_reply(functions[name], data))


def _reply(function: Function, data: bytes) -> bytes:
    try:
        return RESULT + function(data)
    except MemoryError:
        os._exit(MEMORY_EXIT)
    except Exception as error:
        logger.exception(event_line("sandboxed call failed"))
        return ERROR + type(error).__name__.encode()


def _limit_cpu(seconds: int) -> None:
    """Allow so many seconds from now on; past them the kernel sends SIGXCPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _limit_memory(more_bytes: int) -> None:
    with contextlib.suppress(ValueError, OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + more_bytes
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _close_all_but(kept: int) -> None:
    """Close the parent's sockets and files: a peer must see their end when the parent
    closes them."""
    highest = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 65_536)
    os.closerange(3, kept)
    os.closerange(kept + 1, highest)


def _die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent dies (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)

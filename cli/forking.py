"""Run a module in a fork of this process, so that all share the memory of what it imports.

The libraries that every process needs take 25 MB and 0.8 s of CPU to import. A fork has
them already (Linux only: elsewhere a fork without exec is not safe).
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import logging
import os
import runpy
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from io import FileIO

from cli.parent_death import die_with_parent

logger = logging.getLogger(__name__)

IS_SUPPORTED = sys.platform.startswith("linux")
# What most processes import; nothing that starts a thread or opens a file.
PRELOADED = (
    "flask_smorest",
    "gunicorn.app.base",
    "incidentwire.archive",
    "incidentwire.log.event_log",
    "incidentwire.net.client",
    "incidentwire.web.server",
)
M_ARENA_MAX = -8  # mallopt(3)
M_TRIM_THRESHOLD = -1
PR_SET_NAME = 15  # prctl(2); the kernel keeps 15 bytes
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def preload() -> None:
    """Import what the processes share. Freeze it: a collection would copy its pages."""
    _limit_malloc_arenas()
    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _limit_malloc_arenas() -> None:
    """Let threads share two arenas; the environment would come too late for forks."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # of the GNU C library
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 2)
        mallopt(M_TRIM_THRESHOLD, 131_072)


class ForkedProcess:
    """A forked child, with the part of the interface of Popen that a supervisor needs."""

    def __init__(self, pid: int, stdout: FileIO) -> None:
        self.pid = pid
        self.stdout = stdout
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while the child runs."""
        return self._wait(os.WNOHANG)

    def wait(self) -> int | None:
        """Wait for the end of the child and return its exit code."""
        return self._wait(0)

    def terminate(self) -> None:
        """Send SIGTERM."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)

    def _wait(self, options: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, options)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


def fork_module(
    name: str,
    arguments: Sequence[str],
    environ: Mapping[str, str],
    parent_death_signal: signal.Signals,
) -> ForkedProcess:
    """Run `python -m` of `arguments` in a fork, in a session of its own.

    `name` is what `ps -o comm` shows. Standard output and error go to one pipe.
    """
    reader, writer = os.pipe()
    ask_kernel = die_with_parent(parent_death_signal)
    sys.stdout.flush()
    sys.stderr.flush()
    # A signal that arrives before the child has its own handlers waits for them.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        os.close(writer)
        return ForkedProcess(pid, FileIO(reader, "rb"))
    code = 1
    try:
        os.setsid()
        if ask_kernel:
            ask_kernel()
        _take_streams(writer)
        _set_process_name(name)
        os.environ.clear()
        os.environ.update(environ)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        code = _run(arguments)
    finally:
        os._exit(code)  # never return into the parent's frames


def _take_streams(writer: int) -> None:
    """Write to the pipe, read nothing, and close every other file of the parent."""
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(writer, 1)
    os.dup2(writer, 2)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def _set_process_name(name: str) -> None:
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def _run(arguments: Sequence[str]) -> int:
    """Run a module as the interpreter would, with all that belongs to its end."""
    sys.argv = list(arguments)
    code = 0
    try:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    except SystemExit as error:
        code = _exit_code(error)
    except BaseException:
        logger.exception("%s failed", arguments[0])
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]  # waits for its threads
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _exit_code(error: SystemExit) -> int:
    if error.code is None or isinstance(error.code, int):
        return error.code or 0
    print(error.code, file=sys.stderr)
    return 1

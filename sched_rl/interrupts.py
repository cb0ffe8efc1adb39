"""Signals turned into a flag that the training loop reads between updates.

An update is never torn: SIGINT (Ctrl-C), SIGTERM (kill, a batch system's end) and SIGUSR1 (a batch system's
notice before the walltime) only set `Interrupts.requested`. The loop finishes its update, saves and leaves
with `Interrupts.exit_code`. A second Ctrl-C is as safe as the first: it sets the same flag again and
interrupts nothing, so an impatient hand cannot damage a checkpoint that is being written. Only SIGKILL (kill
-9) ends the process at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Self

#: EX_TEMPFAIL of sysexits.h: "try again later". Asks the batch system to requeue the job, which then resumes.
REQUEUE_EXIT_CODE = 75

#: What the process exits with, by signal: 128 + its number as shells expect, except for the requeue.
EXIT_CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGUSR1": REQUEUE_EXIT_CODE}

_STDERR = 2


class Interrupts:
    """A context manager that catches SIGINT, SIGTERM and SIGUSR1 as a request to stop at the next safe place.

    ```
    with Interrupts() as interrupted:
        while steps < total_steps and not interrupted.requested:
            update()
    sys.exit(interrupted.exit_code)
    ```

    Python allows signal handlers in the main thread alone: elsewhere (a sweep's worker thread) this does
    nothing and `requested` stays None. On exit the handlers that were there before return. Signals that were
    ignored before (a background job of a shell script ignores SIGINT) are caught as well: who sends one means
    it.

    Attributes:
        requested: None, or the name of the first signal that came. Later ones do not change it, so a batch
            system that follows its SIGUSR1 with a SIGTERM still gets the exit code that asks for a requeue.
    """

    def __init__(self) -> None:
        self.requested: str | None = None
        self._previous: dict[signal.Signals, object] = {}

    @property
    def exit_code(self) -> int:
        """0 when nothing was requested, else 130, 143 or 75 (see `EXIT_CODES`)."""
        return EXIT_CODES[self.requested] if self.requested else 0

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for name in EXIT_CODES:
                # SIGUSR1 does not exist on Windows.
                number = getattr(signal, name, None)
                if number is not None:
                    self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            # None stands for a handler that was not installed from Python and cannot be put back.
            restored = handler if callable(handler) or isinstance(handler, int) else signal.SIG_DFL
            signal.signal(number, restored)
        self._previous.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if self.requested is None:
            self.requested = name
            _say(f"{name}: stopping after this update")
        elif name == "SIGINT":
            _say("still finishing this update; nothing is lost by waiting")


def _say(text: str) -> None:
    """Write past Python's buffered streams, which a handler must not enter a second time."""
    with contextlib.suppress(OSError):
        os.write(_STDERR, f"\r\n{text}\n".encode())

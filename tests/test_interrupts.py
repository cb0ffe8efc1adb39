from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from sched_rl.interrupts import REQUEUE_EXIT_CODE, Interrupts


@pytest.mark.parametrize(
    ("name", "exit_code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGUSR1", REQUEUE_EXIT_CODE)]
)
def test_a_signal_becomes_a_flag_and_an_exit_code(name, exit_code, capfd):
    with Interrupts() as interrupted:
        assert interrupted.requested is None
        assert interrupted.exit_code == 0
        signal.raise_signal(getattr(signal, name))
        assert interrupted.requested == name
    assert interrupted.exit_code == exit_code
    assert f"{name}: stopping after this update" in capfd.readouterr().err


def test_a_second_ctrl_c_raises_nothing(capfd):
    with Interrupts() as interrupted:
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
    assert interrupted.requested == "SIGINT"
    assert "nothing is lost by waiting" in capfd.readouterr().err


def test_the_first_signal_decides_so_that_a_requeue_stays_a_requeue():
    with Interrupts() as interrupted:
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGTERM)
    assert interrupted.exit_code == 75


def test_previous_handlers_return_also_after_an_error():
    # Started in the background of a shell, a process ignores SIGINT from the first.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    with pytest.raises(ValueError, match="inside"), Interrupts():
        raise ValueError("inside")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_nested_use_gives_the_outer_its_signals_back():
    with Interrupts() as outer:
        with Interrupts() as inner:
            signal.raise_signal(signal.SIGTERM)
        assert (outer.requested, inner.requested) == (None, "SIGTERM")
        signal.raise_signal(signal.SIGINT)
        assert outer.requested == "SIGINT"


def test_outside_the_main_thread_it_does_nothing():
    seen = []

    def work():
        with Interrupts() as interrupted:
            seen.append((interrupted.requested, signal.getsignal(signal.SIGINT)))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(None, before)]
    assert signal.getsignal(signal.SIGINT) is before


_LOOP = """
import sys, time
from sched_rl.interrupts import Interrupts
with Interrupts() as interrupted:
    while not interrupted.requested:
        print("begin", flush=True)
        time.sleep(0.1)  # resumed after the handler, not cut short
        print("end", flush=True)
sys.exit(interrupted.exit_code)
"""


@pytest.mark.parametrize("ignored_before", [False, True])
@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGUSR1, 75)])
def test_a_real_process_finishes_its_update_and_exits_with_the_code(number, exit_code, ignored_before):
    handling = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" if ignored_before else ""
    process = subprocess.Popen([sys.executable, "-c", handling + _LOOP], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begin\n"
    os.kill(process.pid, number)
    os.kill(process.pid, number)
    rest = process.stdout.read().split()
    process.stdout.close()
    assert process.wait(timeout=20) == exit_code
    assert rest[-1] == "end"

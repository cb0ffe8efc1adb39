"""Round robin: every competitor of a network is alive, one at a time plays, and so for some rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from analysis.benchmarks.peers.competitors import Entrant
from analysis.benchmarks.peers.results import Measured
from analysis.benchmarks.peers.task import load_task
from analysis.benchmarks.peers.worker import Worker, WorkerError
from sched_rl.errors import ConfigError


class Race:
    """The competitors of one network.

    Attributes:
        results: one for everybody who came to the start, filled round by round.
    """

    def __init__(
        self,
        network: str,
        entrants: Sequence[Entrant],
        overrides: Sequence[str],
        *,
        say: Callable[[str], None],
        is_over: Callable[[], object],
    ) -> None:
        """Prepare.

        Args:
            network: a name of agent/network.
            entrants: who takes part; those who cannot are named and left out.
            overrides: of the configuration.
            say: takes a line of progress.
            is_over: true once nobody is to begin anything new.
        """
        self.results: list[Measured] = []
        self._network, self._entrants, self._overrides = network, entrants, overrides
        self._say, self._is_over = say, is_over

    def run(self, rounds: int, steps: int, after_round: Callable[[Sequence[Measured]], None]) -> None:
        """Play.

        Args:
            rounds: a competitor.
            steps: of the environment a round, made whole updates.
            after_round: takes the results whenever everybody has played once more.
        """
        with ExitStack() as stack:
            workers = self._start(stack)
            if not workers:
                return
            updates = max(1, -(-steps // load_task(self._network, self._overrides).steps_per_update))
            for number in range(rounds + 1):
                profiled = number == rounds
                for measured, worker in list(workers):
                    if self._is_over():
                        return
                    try:
                        played = worker.play(updates, profiled=profiled)
                    except WorkerError as error:
                        self._say(f"{self._network}, {measured.entrant.name}: gave up: {error}")
                        workers.remove((measured, worker))
                        continue
                    if profiled:
                        measured.profile = played
                    else:
                        measured.rounds.append(played)
                after_round(self.results)
                what = "one more, profiled" if profiled else f"round {number + 1} of {rounds}"
                self._say(f"{self._network}: {what}")

    def _start(self, stack: ExitStack) -> list[tuple[Measured, Worker]]:
        """All processes at once: what they do until they are ready is not measured."""
        started = []
        for entrant in self._entrants:
            if not entrant.is_available:
                self._say(f"{entrant.name} is left out: needs {entrant.needs}; pip install -e '.[bench]'")
                continue
            try:
                task = load_task(self._network, [*self._overrides, *entrant.overrides])
            except ConfigError as error:
                self._say(f"{self._network}, {entrant.name} is left out: {error}")
                continue
            worker = Worker(entrant, task)
            stack.callback(worker.stop)
            started.append((Measured(self._network, entrant), worker))
        ready = []
        for measured, worker in started:
            try:
                measured.num_parameters = worker.wait_until_ready()
            except WorkerError as error:
                self._say(f"{self._network}, {measured.entrant.name} is left out: {error}")
                continue
            self.results.append(measured)
            ready.append((measured, worker))
        return ready

"""Where runs happen: local worker processes of one thread each.

Workers run solutions, which may raise, hang, exit or be killed; nothing they do can take the results of others with it, or
harm the process that asked for them.
"""

import multiprocessing.connection
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Generic, TypeVar, TypeVarTuple

from evaluation.populations.serving import Call, Confinement
from evaluation.populations.workers import Worker
from starting_kit.errors import WorkerDiedError

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

PATIENCE = 3.0  # seconds that jobs under way have to save and return once they are asked to
WAIT = 0.2  # seconds, at most, until an interruption is heard


class Ended(Generic[Result]):
    """A job that is over.

    Attributes:
        number: its position among the jobs.
        error: why it has no result; None if it has.
    """

    def __init__(self, number: int, outcome: Any) -> None:
        self.number = number
        self.error = outcome if isinstance(outcome, Exception) else None
        self._outcome = outcome

    @property
    def result(self) -> Result:
        """What it gave.

        Raises:
            Exception: its error.
        """
        if self.error is not None:
            raise self.error
        result: Result = self._outcome.result
        return result


def nothing() -> None:
    """A job that is done at once."""


class LocalProcesses:
    """A pool of worker processes, as a context manager.

    Args:
        workers: how many; each starts when a job finds no idle one, and another takes the place of one that ended.
        notice: called with a sentence for the user.
        get_ready: the first thing that each does; it must not raise.
        solution: the file of the one that runs in them; None where none does.
        confined: what they may read once they are ready; None for all that the user may.
    """

    def __init__(
        self,
        workers: int,
        notice: Callable[[str], None],
        get_ready: Callable[[], object] = nothing,
        solution: Path | None = None,
        confined: Confinement | None = None,
    ) -> None:
        self._confined = confined
        self._size, self._notice, self._get_ready, self._solution = workers, notice, get_ready, solution
        self._workers: list[Worker] = []

    def __enter__(self) -> "LocalProcesses":
        return self

    def __exit__(self, *exception: object) -> None:
        while self._workers:
            self._workers.pop().end()

    def start(self, workers: int) -> None:
        """Start some workers, or all that are left if they are fewer, before there is work for them."""
        while len(self._workers) < min(workers, self._size):
            self._workers.append(Worker(self._get_ready, self._confined))

    def run(self, function: Callable[[*Arguments], Result], *arguments: *Arguments, limit: float | None = None) -> Result:
        """Run one job and give its result; arguments and what it raises are those of `run_all`."""
        return self.run_all(function, [arguments], limit=limit)[0]

    def run_all(
        self,
        function: Callable[[*Arguments], Result],
        jobs: Sequence[tuple[*Arguments]],
        on_finished: Callable[[int], None] = lambda models: None,
        limit: float | None = None,
    ) -> list[Result]:
        """Run a job per tuple of arguments and give their results in order.

        When a job fails, or the user interrupts, the jobs under way are asked to save and return; they have `PATIENCE`.

        Args:
            function: importable by the workers; its annotation says what it gives, which is data.
            jobs: arguments, one tuple per job.
            on_finished: called with the number of models newly finished.
            limit: seconds that a job may take.

        Raises:
            WorkerDiedError: a worker died, or had no time left.
            KeyboardInterrupt: the user interrupted; what was finished is saved.
            Exception: the first that a job raised.
        """
        results: dict[int, Result] = {}
        try:
            with closing(self.as_they_end(function, jobs, on_finished, limit)) as batches:
                for ended in batches:
                    results.update({each.number: each.result for each in ended})
        except WorkerDiedError as error:
            who = f"{self._solution.stem} failed" if self._solution else "A worker process failed"
            raise WorkerDiedError(f"{who}: {error}. What was finished is kept; run the same command to go on.") from error
        return [results[number] for number in range(len(jobs))]

    def as_they_end(
        self,
        function: Callable[..., Result],
        jobs: Sequence[tuple[Any, ...]],
        on_finished: Callable[[int], None] = lambda models: None,
        limit: float | None = None,
        completed: Callable[..., tuple[Any, ...]] = lambda *arguments: arguments,
    ) -> Generator[list[Ended[Result]], None, None]:
        """Run jobs, and give those that are over whenever there are any, whether they failed or not (see `run_all`).

        Where the caller raises, or wants no more of them, the jobs under way are asked to return. `completed` makes the
        arguments that are sent of those in `jobs`, when they are. Until the last is over no others may be run here.

        Raises:
            RuntimeError: others are under way.
        """
        if self._at_work():  # what these give would be taken for what those give
            raise RuntimeError("these workers are at work")
        waiting = deque((number, Call(function, job, limit, self._solution)) for number, job in enumerate(jobs))
        try:
            while waiting or self._at_work():
                self._assign(waiting, completed)
                if ended := self._ended(on_finished):
                    self._assign(waiting, completed)  # before anybody takes time for what has ended
                    yield ended
        except KeyboardInterrupt:
            self._notice(f"Stopping within {PATIENCE:.0f} seconds; press Ctrl-C again to stop at once.")
            raise
        finally:
            self._wind_down(on_finished)

    def _at_work(self) -> list[Worker]:
        return [worker for worker in self._workers if worker.number is not None]

    def _assign(self, waiting: "deque[tuple[int, Call]]", completed: Callable[..., tuple[Any, ...]]) -> None:
        for worker in [worker for worker in self._workers if worker.is_gone]:
            self._end(worker)
        self.start(len(self._at_work()) + len(waiting))
        for worker in self._workers:
            if waiting and worker.is_idle:
                number, call = waiting.popleft()
                worker.begin(number, call._replace(arguments=completed(*call.arguments)))

    def _ended(self, on_finished: Callable[[int], None]) -> list[Ended[Any]]:
        """Jobs that have ended by now, or end within a moment."""
        patience = max(0.0, min(WAIT, *(worker.left() for worker in self._workers)))
        speaking = multiprocessing.connection.wait([worker.answers for worker in self._workers], patience)
        ended = []
        for worker in list(self._workers):
            number, was_ready, outcome = worker.number, worker.is_ready, None
            if worker.answers in speaking:
                outcome = worker.hear(on_finished)
            elif worker.left() <= 0:
                outcome = worker.time_is_up()
            if isinstance(outcome, Exception) and not was_ready:
                self._end(worker)
                raise WorkerDiedError(f"it could not start: {outcome}")
            if worker.has_ended:
                self._workers.remove(worker)
            if outcome is not None and number is not None:
                ended.append(Ended[Any](number, outcome))
        return ended

    def _wind_down(self, on_finished: Callable[[int], None]) -> None:
        for worker in self._at_work():
            worker.ask_to_stop()
        end = time.monotonic() + PATIENCE
        try:
            while self._at_work() and time.monotonic() < end:
                self._ended(on_finished)
        finally:  # the user may have no more patience
            for worker in self._at_work():
                self._end(worker)

    def _end(self, worker: Worker) -> None:
        self._workers.remove(worker)
        worker.end()

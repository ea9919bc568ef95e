"""Batches made ahead of time, in one thread or in processes of their own, in order.

Processes are spawned, never forked: the machine code's threads would not survive a fork. A
worker gets the dataset once, ignores Ctrl-C (the main process decides), and ends with the
process it works for, even if that one is killed.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any

import numpy as np

from ..errors import DataError
from .dataset import Dataset, Fields
from .stream import Stream, streaming

Collate = Callable[[list[Any]], Fields]
Order = tuple[int, int, np.ndarray]  # seed, epoch, numbers of the samples


class Recipe:
    """How a batch is made from a dataset."""

    def __init__(self, dataset: Dataset, collate_fn: Collate | None) -> None:
        self.dataset = dataset
        self.collate_fn = collate_fn

    def __call__(self, order: Order) -> Fields:
        seed, epoch, indices = order
        with streaming(Stream(seed, epoch)):
            if self.collate_fn is None:
                return self.dataset.batch(indices)
            return tuple(np.asarray(x) for x in self.collate_fn(self.dataset.samples(indices)))


class Workers:
    """Who follows a recipe, and how many batches they are ahead.

    Args:
        recipe: how a batch is made.
        processes: how many; 0 means one thread of this process.
        ahead: batches that are made or waiting at a time.
    """

    def __init__(self, recipe: Recipe, processes: int, ahead: int) -> None:
        self.ahead = ahead
        self.make: Callable[[Order], Fields] = _follow if processes else recipe
        self.pool = _processes(recipe, processes) if processes else ThreadPoolExecutor(1)
        # runs when nobody holds the workers any more, and at the latest when Python ends
        self.close = weakref.finalize(self, _close, self.pool)

    def batches(self, orders: Iterable[Order]) -> Iterator[Fields]:
        """Yield what was ordered, in order, while later orders are being made.

        Raises:
            DataError: a worker process ended without an answer.
            Exception: whatever making a batch raised.
        """
        waiting: deque[Future[Fields]] = deque()
        try:
            for order in orders:
                waiting.append(self.pool.submit(self.make, order))
                if len(waiting) > self.ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            self.close()
            raise DataError(
                "DataLoader: worker processes run until the loader is done with them; one ended "
                "by itself. It may have run out of memory; or the script starts its loader "
                'outside `if __name__ == "__main__":`, which workers need. num_workers=0 needs '
                "no processes."
            ) from error
        finally:
            for future in waiting:
                future.cancel()


def _processes(recipe: Recipe, count: int) -> Executor:
    try:
        package = pickle.dumps(recipe)
    except Exception as error:
        raise DataError(
            "DataLoader: with num_workers > 0 the dataset and its transforms are sent to other "
            f"processes; {error}. Define functions and classes at the top of a module instead of "
            "as lambda or within a function, or use num_workers=0."
        ) from error
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, context, _begin, (package,))


def _close(pool: Executor) -> None:
    pool.shutdown(wait=True, cancel_futures=True)


# Within a worker process --------------------------------------------------------------------

_recipe: Recipe | Exception = RuntimeError("no recipe yet")


def _begin(package: bytes) -> None:
    global _recipe
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _recipe = pickle.loads(package)
    except Exception as error:
        _recipe = DataError(
            "DataLoader: worker processes import what the dataset consists of; "
            f"{type(error).__name__}: {error}. Define it in a module, not in a notebook or at a "
            "prompt, or use num_workers=0."
        )


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _follow(order: Order) -> Fields:
    if isinstance(_recipe, Exception):
        raise _recipe
    try:
        return _recipe(order)
    except Exception as error:
        raise _portable(error) from None


def _portable(error: Exception) -> Exception:
    """The error, or one of ours with its text if it cannot travel between processes."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        notes = "; ".join(getattr(error, "__notes__", []))
        return DataError(f"{type(error).__name__}: {error}; {notes}")
    return error

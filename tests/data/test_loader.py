"""The loader: one sequence for any number of workers, errors, stops, resuming."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from noisy import Broken, Dying, Noisy, Slow, Stuck, gather

import deepglass as dg
from deepglass.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    TransformDataset,
    sample_rng,
)
from deepglass.errors import DataError, ShapeError

COUNT, BATCH = 23, 4

# numbers 0 ... 11 sorted by the high halves of Philox-4x64-10 (key (2024, 5), counter from
# (1, 0, 0, 1)), computed apart
GOLDEN = [8, 5, 3, 10, 2, 0, 9, 6, 7, 4, 11, 1]


def loader(dataset: Dataset | None = None, seed: int = 3, **options: Any) -> DataLoader:
    dataset = dataset or Noisy(COUNT)
    return DataLoader(dataset, BATCH, shuffle=True, generator=dg.Generator(seed), **options)


def epochs(source: DataLoader, count: int = 2) -> list[list[Any]]:
    """The first fields of all batches, by epoch."""
    return [[batch[0].tolist() for batch in source] for _ in range(count)]


def children() -> list[int]:
    return [p.pid for p in multiprocessing.active_children() if p.pid is not None]


def alive(pid: int) -> bool:
    """Whether a process runs (one that waits to be buried does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(scope="module")
def expected() -> list[list[Any]]:
    return epochs(loader())


class TestOneSequence:
    @pytest.mark.parametrize("workers", [1, 2, 4])
    def test_any_number_of_workers_gives_the_same_bits(
        self, workers: int, expected: list[list[Any]]
    ) -> None:
        source = loader(num_workers=workers)
        assert epochs(source) == expected
        makers = {int(pid) for batch in source for pid in batch[1].tolist()}
        assert os.getpid() not in makers
        assert makers <= set(children())

    @pytest.mark.parametrize("ahead", [1, 3, 100])
    def test_prefetching_gives_the_same_bits(self, ahead: int, expected: list[list[Any]]) -> None:
        assert epochs(loader(prefetch_factor=ahead)) == expected

    def test_two_workers_share_the_work(self, tmp_path: Path) -> None:
        makers: set[int] = set()
        for batch in DataLoader(Slow(tmp_path), 1, num_workers=2):
            makers.update(batch[1].tolist())
            if len(makers) == 2:
                break
        assert len(makers) == 2

    def test_every_sample_and_epoch_has_numbers_of_its_own(self, expected: list[list[Any]]) -> None:
        rows = np.array([sample for epoch in expected for batch in epoch for sample in batch])
        assert rows.shape == (2 * COUNT, 4)
        assert len(np.unique(rows[:, 1:])) == 2 * COUNT * 3

    def test_numbers_follow_the_sample_and_not_its_place(self) -> None:
        def by_sample(shuffle: bool) -> dict[float, list[float]]:
            source = DataLoader(Noisy(9), 2, shuffle=shuffle, generator=dg.Generator(8))
            return {row[0]: row[1:] for batch in source for row in batch[0].tolist()}

        assert by_sample(True) == by_sample(False)

    def test_the_streams_are_philox_of_seed_epoch_and_sample(self) -> None:
        source = DataLoader(Noisy(5), 1)
        list(source)
        for number, (row, _) in enumerate(source):
            bits = np.random.Philox(key=[source.seed, 1], counter=[0, number, 0, 0])
            drawn = np.random.Generator(bits).random(3)
            assert row.tolist() == [[number, *drawn]]

    def test_orders_are_a_function_of_seed_and_epoch(self) -> None:
        source = loader(TensorDataset(np.arange(12)))
        source.load_state_dict({**source.state_dict(), "seed": 2024, "epoch": 5})
        found = [n for (batch,) in source for n in batch.tolist()]
        assert found == GOLDEN

    def test_the_order_of_any_epoch_can_be_asked_for(self) -> None:
        source = loader(TensorDataset(np.arange(COUNT)), drop_last=True)
        for number in range(2):
            found = np.concatenate([batch.numpy() for (batch,) in source])
            assert source.order(number)[: source.samples].tolist() == found.tolist()
        assert DataLoader(Noisy(3)).order(7).tolist() == [0, 1, 2]

    def test_an_epoch_that_was_left_early_is_not_begun_again(self) -> None:
        source = loader(TensorDataset(np.arange(COUNT)))
        first = next(iter(source))[0].tolist()
        second = next(iter(source))[0].tolist()
        assert [first, second] == [epoch[0] for epoch in epochs(loader(source.dataset))]

    def test_seeds_differ(self) -> None:
        assert epochs(loader(seed=1)) != epochs(loader(seed=2))

    def test_outside_a_loader_manual_seed_decides(self) -> None:
        dg.manual_seed(4)
        first = [sample_rng().random() for _ in range(2)]
        dg.manual_seed(4)
        assert first == [sample_rng().random() for _ in range(2)]
        assert first[0] != first[1]


class TestBatches:
    def test_a_subset_keeps_the_numbers_of_the_original_sample(self) -> None:
        whole = {r[0]: r for b in DataLoader(Noisy(6), 6) for r in b[0].tolist()}
        dg.manual_seed(0)
        part = [r for b in DataLoader(Subset(Noisy(6), [4, 1]), 2) for r in b[0].tolist()]
        assert part == [whole[4], whole[1]]

    def test_sets_one_after_the_other_have_streams_of_their_own(self) -> None:
        source = DataLoader(ConcatDataset([Noisy(3), Noisy(2)]), 5)
        rows = np.concatenate([b[0].numpy() for b in source])
        assert rows[:, 0].tolist() == [0, 1, 2, 0, 1]
        assert len(np.unique(rows[:, 1])) == 5

    def test_numbers_of_a_concatenated_set(self) -> None:
        both = ConcatDataset([TensorDataset([1, 2]), TensorDataset([3])])
        assert [int(both[i][0]) for i in (-1, 0, -3)] == [3, 1, 1]
        with pytest.raises(IndexError, match="3 samples; got number 3"):
            both[3]
        with pytest.raises(DataError, match="at least one"):
            ConcatDataset([])

    @pytest.mark.parametrize("workers", [0, 1])
    def test_collate_fn(self, workers: int) -> None:
        source = DataLoader(Noisy(5), 2, num_workers=workers, collate_fn=gather)
        assert [b.tolist() for (b,) in source] == [[0, 2], [4, 6], [8]]

    def test_bytes_stay_bytes_and_a_batch_is_one_take(self) -> None:
        class Counting(TensorDataset):
            calls = 0

            def batch(self, indices: np.ndarray) -> tuple[np.ndarray, ...]:
                self.calls += 1
                return super().batch(indices)

            def __getitem__(self, index: int) -> Any:
                raise AssertionError("one by one")

        data = Counting(np.arange(21, dtype=np.uint8).reshape(7, 3), np.arange(7))
        batches = list(DataLoader(data, 3))
        assert data.calls == 3
        assert batches[0][0].dtype is dg.uint8
        assert batches[1][0].tolist() == [[9, 10, 11], [12, 13, 14], [15, 16, 17]]

    def test_samples_of_several_shapes(self) -> None:
        class Growing(Noisy):
            def __getitem__(self, index: int) -> Any:
                return np.zeros((3, index + 2)), 0

        with pytest.raises(ShapeError, match=r"field 0 .* \(3, 2\) and \(3, 3\).*collate_fn"):
            next(iter(DataLoader(Growing(3), 2)))

    def test_samples_of_several_lengths(self) -> None:
        class Uneven(Noisy):
            def __getitem__(self, index: int) -> Any:
                return (0,) * (index + 1)

        with pytest.raises(ShapeError, match=r"number of fields; got \[1, 2\]"):
            next(iter(DataLoader(Uneven(3), 2)))

    def test_a_sample_that_is_no_tuple_is_one_field(self) -> None:
        class Bare(Noisy):
            def __getitem__(self, index: int) -> Any:
                return index + 0.5

        assert [b.tolist() for (b,) in DataLoader(Bare(3), 2)] == [[0.5, 1.5], [2.5]]

    def test_an_example_does_not_move_the_loader_on(self, expected: list[list[Any]]) -> None:
        source = loader()
        rows = source.example(2)[0]
        assert rows[:, 0].tolist() == [0, 1]
        assert epochs(source) == expected

    def test_what_cannot_be_a_loader(self) -> None:
        for options in ({"num_workers": -1}, {"prefetch_factor": -1}):
            with pytest.raises(DataError, match="not negative"):
                loader(**options)


class TestResuming:
    @pytest.mark.parametrize("stop", [0, 1, 4, 6, 8, 12])
    @pytest.mark.parametrize("ahead", [0, 5])
    def test_goes_on_after_the_last_batch_that_was_handed_out(self, stop: int, ahead: int) -> None:
        self.check(stop, {"prefetch_factor": ahead})

    def test_goes_on_with_workers(self) -> None:
        self.check(8, {"num_workers": 2})

    def check(self, stop: int, options: dict[str, int]) -> None:
        flat = [batch for epoch in epochs(loader(), 3) for batch in epoch]
        before, taken = loader(**options), []
        while len(taken) < stop:
            for batch in before:
                taken.append(batch[0].tolist())
                if len(taken) == stop:
                    break
        after = loader(seed=99)
        after.load_state_dict(json.loads(json.dumps(before.state_dict())))
        while len(taken) < len(flat):
            taken += [batch[0].tolist() for batch in after]
        assert taken == flat

    def test_a_finished_epoch_is_followed_by_the_next(self) -> None:
        source = loader()
        list(source)
        assert (source.epoch, source.batch) == (1, 0)

    def test_a_state_of_another_loader(self) -> None:
        state = loader().state_dict()
        with pytest.raises(DataError, match="as many samples"):
            loader(Noisy(COUNT + 1)).load_state_dict(state)
        with pytest.raises(DataError, match="as many samples"):
            loader().load_state_dict({"epoch": 1})


class TestErrors:
    @pytest.mark.parametrize("options", [{}, {"num_workers": 1}, {"prefetch_factor": 2}])
    def test_come_through_with_the_file_and_the_number(self, options: dict[str, int]) -> None:
        source = DataLoader(Broken(COUNT), BATCH, **options)
        with pytest.raises(OSError, match=r"photo-5\.png: damaged") as caught:
            list(source)
        assert caught.value.__notes__ == ["while sample 5 of Broken was made"]
        assert len(next(iter(source))[0]) == BATCH  # and the loader lives on

    def test_that_cannot_travel_come_as_text(self) -> None:
        with pytest.raises(
            DataError, match="StubbornError: this and that; while sample 0 of Stuck"
        ):
            list(DataLoader(Stuck(5), num_workers=1))

    def test_a_dataset_that_cannot_travel(self) -> None:
        data = TransformDataset(Noisy(3), lambda x: x)
        with pytest.raises(DataError, match=r"lambda.*num_workers=0"):
            list(DataLoader(data, num_workers=1))

    def test_a_worker_that_ends_by_itself(self) -> None:
        source = DataLoader(Dying(6), 1, num_workers=1, prefetch_factor=1)
        with pytest.raises(DataError, match="one ended by itself"):
            list(source)

    def test_a_module_that_workers_do_not_find(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Noisy, "__module__", "elsewhere")
        monkeypatch.setitem(sys.modules, "elsewhere", sys.modules["noisy"])
        with pytest.raises(DataError, match=r"import what .* No module named 'elsewhere'"):
            list(DataLoader(Noisy(3), num_workers=1))


SCRIPT = """
import sys
import time
from pathlib import Path
from noisy import Slow
from deepglass.data import DataLoader

if __name__ == "__main__":
    for batch in DataLoader(Slow(Path(sys.argv[1])), 1, num_workers=2):
        print(len(batch[0]), flush=True)
        time.sleep(0.2)
"""


class TestEnds:
    def test_workers_end_with_their_loader(self) -> None:
        before = set(children())  # of other tests in this process
        source = loader(num_workers=2)
        list(source)
        workers = set(children()) - before
        assert len(workers) == 2
        del source
        gc.collect()
        assert not workers & set(children())

    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
    def test_a_stopped_program_leaves_no_process(self, tmp_path: Path, how: signal.Signals) -> None:
        """Ctrl-C reaches the whole group of processes; SIGKILL the main one alone."""
        script, notes = tmp_path / "script.py", tmp_path / "notes"
        script.write_text(SCRIPT)
        notes.mkdir()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(
            [sys.executable, str(script), str(notes)],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        assert process.stdout is not None
        while len(list(notes.iterdir())) < 2:  # both workers are at work
            assert process.stdout.readline() == "1\n"
        time.sleep(0.4)  # they are ahead, and wait for work
        if how is signal.SIGINT:
            os.killpg(process.pid, how)
        else:
            process.kill()
        started = time.monotonic()
        error = process.communicate(timeout=20)[1]
        assert process.returncode != 0
        workers = [int(path.name) for path in notes.iterdir()]
        while any(alive(pid) for pid in workers):
            assert time.monotonic() - started < 20
            time.sleep(0.02)
        if how is signal.SIGINT:
            assert error.count("Traceback") == 1
            assert "KeyboardInterrupt" in error

    def test_a_script_without_a_main_guard_is_told_so(self, tmp_path: Path) -> None:
        script = tmp_path / "script.py"
        script.write_text(SCRIPT.replace('if __name__ == "__main__":', "if True:"))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, str(script), str(tmp_path)],
            env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert 'outside `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]

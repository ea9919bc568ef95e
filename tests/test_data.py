"""Data: the digits, splits, loaders, and pictures brought into the digits' form."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import sklearn.datasets

import deepglass as dg
from deepglass.data import (
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    fit_digit,
    load_digits,
    random_split,
)
from deepglass.data.splits import permutation
from deepglass.errors import DataError, ShapeError

# per class, as published with the data set (optdigits.names, test part)
DIGITS_PER_CLASS = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]

# numbers 0 ... 11 sorted by Threefry-2x32-20 (key 2024, counter 0 ... 11), computed apart
GOLDEN = [3, 7, 2, 1, 8, 0, 9, 6, 11, 4, 10, 5]


def numbered(count: int) -> TensorDataset:
    return TensorDataset(np.arange(count), np.arange(count) * 10)


class Squares(Dataset):
    """A set that only knows how to give one sample."""

    def __len__(self) -> int:
        return 7

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return np.full((2, 3), index, np.float32), index**2


class TestDigits:
    def test_are_the_published_ones(self) -> None:
        images, labels = load_digits().tensors
        assert images.shape == (1797, 1, 8, 8)
        assert (images.dtype, labels.dtype) == (np.float32, np.int64)
        assert np.bincount(labels).tolist() == DIGITS_PER_CLASS
        assert (images.min(), images.max()) == (0, 1)
        assert np.array_equal(images * 16, np.round(images * 16))

    def test_are_those_that_scikit_learn_loads(self) -> None:
        pixels, labels = sklearn.datasets.load_digits(return_X_y=True)
        ours = load_digits().tensors
        assert np.array_equal(ours[0].reshape(-1, 64) * 16, pixels)
        assert np.array_equal(ours[1], labels)

    def test_without_scikit_learn_say_how_to_get_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "sklearn", None)
        with pytest.raises(DataError, match=r'pip install "deepglass\[data\]"'):
            load_digits()


class TestDatasets:
    def test_a_tensor_dataset_copies_and_cannot_be_written(self) -> None:
        array = np.zeros(3)
        dataset = TensorDataset(array)
        array[0] = 5
        assert dataset[0] == (0.0,)
        with pytest.raises(ValueError, match="read-only"):
            dataset.tensors[0][0] = 1

    def test_lengths_must_agree(self) -> None:
        with pytest.raises(ShapeError, match=r"got \(3,\), \(4,\)"):
            TensorDataset(np.zeros(3), np.zeros(4))

    def test_a_dataset_of_single_samples_comes_in_batches_too(self) -> None:
        x, y = Squares().batch(np.array([5, 2]))
        assert x.shape == (2, 2, 3)
        assert (x[:, 0, 0].tolist(), y.tolist()) == ([5, 2], [25, 4])

    def test_a_subset_of_a_subset_finds_the_original_sample(self) -> None:
        inner = Subset(numbered(10), [9, 7, 5, 3])
        outer = Subset(inner, [2, 0])
        assert [int(outer[i][0]) for i in range(2)] == [5, 9]
        assert outer.batch(np.array([1]))[1].tolist() == [90]

    def test_a_subset_has_only_samples_that_exist(self) -> None:
        with pytest.raises(DataError, match="between 0 and 9; got 3 to 10"):
            Subset(numbered(10), [3, 10])


class TestSplits:
    @pytest.mark.parametrize("stratified", [False, True])
    def test_parts_share_nothing_and_miss_nothing(self, stratified: bool) -> None:
        digits = load_digits()
        labels = digits.tensors[1] if stratified else None
        parts = random_split(digits, [0.6, 0.2, 0.2], dg.Generator(1), labels)
        together = np.concatenate([part.indices for part in parts])
        assert sorted(together.tolist()) == list(range(1797))
        assert not np.array_equal(together, np.arange(1797))

    # PyTorch: floor of each share, and what is left one by one to the first parts
    @pytest.mark.parametrize(
        ("total", "shares", "counts"),
        [
            (1797, [0.8, 0.2], [1438, 359]),
            (10, [0.35, 0.35, 0.3], [4, 3, 3]),
            (5, [2, 3], [2, 3]),
            (5, [5, 0], [5, 0]),
            (1797, "8:2", [1438, 359]),
            (10, "6:2:2", [6, 2, 2]),
            (7, "1 : 0.5", [5, 2]),
            (1, [0.8, 0.2], [1, 0]),
        ],
    )
    def test_counts(self, total: int, shares: str | list[float], counts: list[int]) -> None:
        parts = random_split(numbered(total), shares, dg.Generator(0))
        assert [len(part) for part in parts] == counts

    def test_stratified_parts_have_every_class_in_proportion(self) -> None:
        digits = load_digits()
        labels = digits.tensors[1]
        for seed in range(5):
            parts = random_split(digits, [0.8, 0.2], dg.Generator(seed), labels)
            assert [len(part) for part in parts] == [1438, 359]
            for part, share in zip(parts, (0.8, 0.2), strict=True):
                found = np.bincount(labels[part.indices])
                assert np.abs(found - share * np.array(DIGITS_PER_CLASS)).max() <= 1

    def test_a_seed_decides(self) -> None:
        def indices(seed: int) -> list[int]:
            return random_split(numbered(50), [0.5, 0.5], dg.Generator(seed))[0].indices.tolist()

        assert indices(3) == indices(3)
        assert indices(3) != indices(4)

    def test_the_order_is_the_same_in_every_release(self) -> None:
        assert permutation(12, dg.Generator(2024)).tolist() == GOLDEN

    @pytest.mark.parametrize(
        "lengths", [[3, 3], [0.5, 0.6], [-1, 8], [2.5, 4.5], [], "8:x", "0:0", ""]
    )
    def test_lengths_that_do_not_add_up(self, lengths: str | list[float]) -> None:
        with pytest.raises(DataError, match=r"random_split: (lengths|a ratio)"):
            random_split(numbered(7), lengths)

    def test_stratify_needs_a_class_per_sample(self) -> None:
        with pytest.raises(DataError, match=r"each of the 7 samples; got shape \(3,\)"):
            random_split(numbered(7), [0.5, 0.5], stratify=[0, 1, 0])


class TestLoader:
    def test_batches_in_order(self) -> None:
        batches = list(DataLoader(numbered(7), batch_size=3))
        assert [x.tolist() for x, _ in batches] == [[0, 1, 2], [3, 4, 5], [6]]
        assert [y.tolist() for _, y in batches] == [[0, 10, 20], [30, 40, 50], [60]]
        assert all(isinstance(x, dg.Tensor) and x.dtype is dg.int64 for x, _ in batches)

    @pytest.mark.parametrize("drop_last", [False, True])
    def test_each_epoch_is_another_order_of_everything(self, drop_last: bool) -> None:
        loader = DataLoader(
            numbered(50), 8, shuffle=True, drop_last=drop_last, generator=dg.Generator(5)
        )
        epochs = [np.concatenate([x.numpy() for x, _ in loader]) for _ in range(3)]
        assert len(loader) == (6 if drop_last else 7)
        assert {len(e) for e in epochs} == {48 if drop_last else 50}
        assert all(len(set(e.tolist())) == len(e) for e in epochs)
        assert len({tuple(e.tolist()) for e in epochs}) == 3

    def test_equal_seeds_give_equal_epochs(self) -> None:
        def two_epochs(seed: int) -> list[list[int]]:
            loader = DataLoader(numbered(20), 6, shuffle=True, generator=dg.Generator(seed))
            return [x.tolist() for _ in range(2) for x, _ in loader]

        assert two_epochs(1) == two_epochs(1)
        assert two_epochs(1) != two_epochs(2)

    def test_the_default_generator_is_the_one_that_manual_seed_seeds(self) -> None:
        orders = []
        for _ in range(2):
            dg.manual_seed(11)
            orders.append(next(iter(DataLoader(numbered(20), 20, shuffle=True)))[0].tolist())
        assert orders[0] == orders[1]

    def test_what_cannot_be_a_loader(self) -> None:
        with pytest.raises(DataError, match="at least 1 sample; got 0"):
            DataLoader(numbered(3), batch_size=0)
        with pytest.raises(DataError, match="at least one batch"):
            DataLoader(numbered(3), batch_size=4, drop_last=True)
        with pytest.raises(DataError, match="at least one batch"):
            DataLoader(Subset(numbered(3), []))


class TestDrawing:
    def test_a_bar_of_known_size(self) -> None:
        """A bar 3 wide and 24 high becomes 4 of 32 pixels wide: half of columns 3 and 4."""
        paper = np.full((40, 30), 255.0)
        paper[8:32, 4:7] = 0
        expected = np.zeros((8, 8))
        expected[:, 3:5] = 0.5
        np.testing.assert_allclose(fit_digit(paper), expected, atol=0.13)
        assert fit_digit(paper)[:, :3].max() == 0

    def test_light_on_dark_is_the_same_as_dark_on_light(self) -> None:
        picture = large(load_digits().tensors[0][7, 0])
        np.testing.assert_allclose(fit_digit(picture), fit_digit(255 - picture), atol=1e-6)

    def test_place_and_size_do_not_matter(self) -> None:
        picture = large(load_digits().tensors[0][3, 0])
        usual = fit_digit(picture)
        moved = np.pad(picture, ((40, 3), (0, 90)), constant_values=255)
        np.testing.assert_allclose(fit_digit(moved), usual, atol=1e-6)
        doubled = np.kron(picture, np.ones((2, 2)))
        np.testing.assert_allclose(fit_digit(doubled), usual, atol=0.1)

    def test_the_slant_is_taken_out(self) -> None:
        paper = np.full((80, 100), 255.0)
        for row in range(10, 70):
            paper[row, 60 - row // 2 : 66 - row // 2] = 0
        columns = fit_digit(paper).sum(axis=0)
        assert columns[3:5].sum() > 0.97 * columns.sum()

    def test_a_stroke_that_leaves_the_picture_is_ink(self) -> None:
        picture = np.zeros((30, 20))
        picture[:, 8:11] = 255
        expected = np.zeros((8, 8))
        expected[:, 3:5] = 0.5
        np.testing.assert_allclose(fit_digit(picture), expected, atol=0.13)

    def test_the_digits_themselves_come_back(self) -> None:
        """Drawn large and read again, they correlate with what they were."""
        images = load_digits().tensors[0][:200, 0]
        alike = [np.corrcoef(fit_digit(large(i)).ravel(), i.ravel())[0, 1] for i in images]
        assert np.mean(alike) > 0.9

    @pytest.mark.parametrize(
        "picture", [np.full((9, 9), 200), np.zeros((0, 4)), np.zeros((4, 4, 3))]
    )
    def test_what_shows_no_digit(self, picture: np.ndarray) -> None:
        with pytest.raises(DataError, match="fit_digit: "):
            fit_digit(picture)

    @pytest.mark.parametrize("shape", [(1, 9), (9, 1), (3, 700)])
    def test_odd_shapes_are_finite(self, shape: tuple[int, int]) -> None:
        picture = np.zeros(shape)
        picture[shape[0] // 2, shape[1] // 2] = 255
        result = fit_digit(picture)
        assert result.shape == (8, 8)
        assert 0 <= result.min() <= result.max() <= 1


def large(image: np.ndarray) -> np.ndarray:
    """An 8 x 8 digit drawn dark on light, ten times as large."""
    return np.pad(255 * (1 - np.kron(image, np.ones((10, 10)))), 15, constant_values=255)

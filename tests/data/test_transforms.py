"""Transforms: what they do, and that they do it alone as in a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

import deepglass as dg
from deepglass.data import DataLoader, Dataset, Subset, TensorDataset, TransformDataset, transforms
from deepglass.data.transforms import Transform
from deepglass.errors import DataError, DTypeError, ShapeError

RNG = np.random.default_rng(0)
COUNT = 23
PHOTOS = RNG.integers(0, 256, (COUNT, 3, 11, 13), dtype=np.uint8)
ALL = [
    transforms.RandomHorizontalFlip(),
    transforms.RandomCrop((7, 5), padding=2),
    transforms.RandomResizedCrop((5, 7)),
    transforms.RandomRotation(30, "bilinear"),
    transforms.RandomErasing(),
    transforms.ColorJitter(0.3, 0.4, 0.5),
    transforms.ToFloat(),
    transforms.Normalize([1, 2, 3], [4, 5, 6]),
]


class Alone(Transform):
    """Hides a transform's way with many images at once."""

    together = False

    def __init__(self, transform: Transform) -> None:
        self.transform = transform

    def __call__(self, image: Any) -> np.ndarray:
        return self.transform(image)


class Uneven(Dataset):
    """Images of different sizes."""

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return PHOTOS[index, :, : 8 + index % 3], index


def batches(dataset: Dataset, size: int = 5, **options: Any) -> list[np.ndarray]:
    """All images of the second epoch, in the order of their numbers."""
    loader = DataLoader(dataset, size, True, generator=dg.Generator(3), **options)
    list(loader)
    found = {
        int(n): x
        for images, numbers in loader
        for x, n in zip(images.numpy(), numbers.numpy(), strict=True)
    }
    return [found[number] for number in sorted(found)]


def check_same(first: list[np.ndarray], second: list[np.ndarray]) -> None:
    assert len(first) == len(second) == COUNT
    for x, y in zip(first, second, strict=True):
        assert x.dtype == y.dtype
        assert np.array_equal(x, y)


class TestTogether:
    @pytest.mark.parametrize("transform", ALL, ids=lambda t: type(t).__name__)
    def test_each_changes_alone_as_in_a_batch(self, transform: Transform) -> None:
        data = TensorDataset(PHOTOS, np.arange(COUNT))
        together = batches(TransformDataset(data, transform))
        check_same(together, batches(TransformDataset(data, Alone(transform))))
        check_same(together, batches(TransformDataset(data, transform), 1))
        if transform.draws:
            assert any(not np.array_equal(x, y) for x, y in zip(together, PHOTOS, strict=True))

    def test_in_a_row_with_workers_and_with_functions(self) -> None:
        data = TensorDataset(PHOTOS, np.arange(COUNT))
        row = transforms.Compose(ALL[:6])
        expected = batches(TransformDataset(data, row))
        check_same(expected, batches(TransformDataset(data, row), num_workers=2))
        check_same(expected, batches(TransformDataset(data, row), prefetch_factor=2))
        check_same(
            expected, batches(TransformDataset(data, transforms.Compose([*ALL[:6], np.asarray])))
        )
        assert not transforms.Compose([ALL[0], np.asarray]).together

    def test_images_of_several_sizes(self) -> None:
        resized = transforms.Compose([transforms.RandomResizedCrop(6), ALL[0]])
        check_same(
            batches(TransformDataset(Uneven(), resized)),
            batches(TransformDataset(Uneven(), Alone(resized))),
        )
        with pytest.raises(ShapeError, match=r"field 0 has one shape.*\(3, 8, 13\)"):
            batches(TransformDataset(Uneven(), ALL[0]))

    def test_transforms_within_transforms_draw_on(self) -> None:
        inner = TransformDataset(TensorDataset(PHOTOS, np.arange(COUNT)), ALL[1])
        twice = transforms.Compose([ALL[1], ALL[0]])
        check_same(
            batches(TransformDataset(inner, ALL[0])),
            batches(TransformDataset(inner.dataset, twice)),
        )

    def test_a_subset_and_no_samples(self) -> None:
        data = TransformDataset(TensorDataset(PHOTOS, np.arange(COUNT)), ALL[1])
        images, numbers = Subset(data, [4, 2]).batch(np.array([1]))
        assert images.shape == (1, 3, 7, 5)
        assert numbers.tolist() == [2]

    def test_an_own_transform_says_what_is_missing(self) -> None:
        class Empty(Transform):
            pass

        with pytest.raises(NotImplementedError, match="Empty: define apply"):
            Empty()(PHOTOS[0])


class TestOneByOne:
    """Checked by hand."""

    def test_values(self) -> None:
        image = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
        flip = transforms.RandomHorizontalFlip(1)
        assert flip(image)[0, 0].tolist() == [3, 2, 1, 0]
        assert np.array_equal(transforms.RandomHorizontalFlip(0)(image), image)
        scaled = transforms.Compose([transforms.ToFloat(), transforms.Normalize(0.5, 0.25)])(image)
        np.testing.assert_allclose(scaled, (image / 255 - 0.5) / 0.25, rtol=1e-5)
        assert scaled.dtype == np.float32
        assert transforms.ToFloat()(np.array([300])).tolist() == [300]

    def test_channels_have_means_of_their_own(self) -> None:
        image = np.ones((2, 3, 5), np.float32)
        found = transforms.Normalize([1, 0], [2, 4])(image)
        assert found[:, 0, 0].tolist() == [0, 0.25]

    def test_crops_are_parts_and_reach_every_place(self) -> None:
        image = np.arange(35).reshape(1, 5, 7)
        dg.manual_seed(1)
        crop = transforms.RandomCrop((4, 5))
        found = {int(crop(image)[0, 0, 0]) for _ in range(100)}
        assert found == {7 * top + left for top in range(2) for left in range(3)}
        assert crop(image).shape == (1, 4, 5)
        padded = [transforms.RandomCrop(5, padding=1)(image) for _ in range(60)]
        assert any((p[0, 0] == 0).all() for p in padded)

    def test_half_of_all_samples_are_flipped(self) -> None:
        row = np.arange(3).reshape(1, 1, 3)
        data = TransformDataset(
            TensorDataset(np.tile(row, (400, 1, 1, 1))), transforms.RandomHorizontalFlip()
        )
        flipped = np.concatenate([b.numpy()[:, 0, 0, 0] == 2 for (b,) in DataLoader(data, 50)])
        assert 160 < flipped.sum() < 240

    def test_targets_change_too(self) -> None:
        data = TransformDataset(TensorDataset([1.0], [2]), None, transforms.OneHot(4))
        assert data[0][1].tolist() == [0, 0, 1, 0]

    def test_what_does_not_fit(self) -> None:
        with pytest.raises(DataError, match="between 0 and 3; got 4"):
            transforms.OneHot(4)(4)
        with pytest.raises(DataError, match="std is positive; got 0"):
            transforms.Normalize(0, 0)
        with pytest.raises(DataError, match="0 to 1; got 2"):
            transforms.RandomHorizontalFlip(2)
        with pytest.raises(ShapeError, match=r"at least \(9, 9\).*got \(5, 7\)"):
            transforms.RandomCrop(9, padding=1)(np.zeros((3, 3, 5)))


class TestPlacing:
    def test_a_resized_crop_is_the_box_that_pillow_scales(self) -> None:
        crop = transforms.RandomResizedCrop((5, 7), scale=(0.2, 0.2), ratio=(0.5, 0.5))
        # 20 % of 143 pixels with half the width of the height: 7.56 x 3.78, so 8 x 4
        numbers = np.full((1, 22), 0.5)
        numbers[0, 20:] = 0.99, 0.0  # the lowest place, at the left
        found = crop.apply(PHOTOS[:1], numbers)[0]
        for channel, expected in zip(found, PHOTOS[0], strict=True):
            box = Image.fromarray(expected[3:11, 0:4])
            scaled = box.resize((7, 5), Image.Resampling.BILINEAR)
            assert np.array_equal(channel, np.asarray(scaled))

    def test_areas_and_proportions_are_those_asked_for(self) -> None:
        numbers = RNG.random((2000, 22))
        image = np.tile(np.arange(90.0, dtype=np.float32), (80, 1))[None, None]
        crop = transforms.RandomResizedCrop(2, scale=(0.2, 0.5), ratio=(0.5, 2.0))
        across = crop.apply(np.repeat(image, 2000, 0), numbers)
        down = crop.apply(np.repeat(image.swapaxes(2, 3)[:, :, :80], 2000, 0), numbers)
        # two pixels of a ramp scaled to 2 lie half the width of the box apart, about
        assert (
            0.1 * 7200 < np.median((across[:, 0, 0, 1] - across[:, 0, 0, 0]) ** 2 * 4) < 0.5 * 7200
        )
        assert (down[:, 0, 1, 0] > down[:, 0, 0, 0]).all()

    @pytest.mark.parametrize(
        ("shape", "ratio", "part"),
        [
            ((1, 10, 4), (1.0, 1.5), np.s_[3:7, 0:4]),
            ((1, 4, 10), (0.5, 1.0), np.s_[0:4, 3:7]),
            ((1, 4, 5), (1.0, 2.0), np.s_[0:4, 0:5]),
        ],
    )
    def test_where_nothing_fits_the_middle_is_taken(
        self, shape: tuple[int, ...], ratio: tuple[float, float], part: Any
    ) -> None:
        image = RNG.integers(0, 256, shape, dtype=np.uint8)
        crop = transforms.RandomResizedCrop(4, scale=(1.0, 1.0), ratio=ratio)
        numbers = np.full((1, 22), 0.999)  # too wide or too flat in all ten attempts
        numbers[0, 1:20:2] = 0.0 if ratio[1] == 1 else 0.999
        found = crop.apply(image[None], numbers)[0, 0]
        expected = Image.fromarray(image[0][part]).resize((4, 4), Image.Resampling.BILINEAR)
        assert np.array_equal(found, np.asarray(expected))

    def test_quarter_turns_are_exact(self) -> None:
        square = PHOTOS[:2, :, :7, :7]
        for turns in (1, 2, 3):
            turn = transforms.RandomRotation((90.0 * turns, 90.0 * turns))
            found = turn.apply(square, np.zeros((2, 1)))
            assert np.array_equal(found, np.rot90(square, turns, axes=(2, 3)))

    def test_angles_lie_between_the_limits(self) -> None:
        middle = np.zeros((1, 1, 41, 41), np.float32)
        middle[0, 0, 20, 20:] = 1  # a hand of a clock that points to three
        for number, degrees in ((0.0, -30.0), (0.999, 30.0)):
            found = transforms.RandomRotation(30).apply(middle, np.array([[number]]))[0, 0]
            rows, columns = np.nonzero(found[:, 30:])
            angle = np.degrees(np.arctan2(20 - rows, columns + 10)).mean()
            assert angle == pytest.approx(degrees, abs=1.5)


class TestPainting:
    def test_boxes_are_erased_in_half_of_all_images(self) -> None:
        erasing = transforms.RandomErasing(0.5, (0.1, 0.2), (0.5, 2.0), value=7)
        images = np.ones((400, 2, 20, 30), np.uint8)
        found = erasing.apply(images, RNG.random((400, 23)))
        erased = (found == 7).all(axis=1)
        assert ((found == 7).any(axis=1) == erased).all()
        areas = erased.sum(axis=(1, 2))
        assert 160 < np.count_nonzero(areas) < 240
        assert set(np.unique(found)) == {1, 7}
        hit = np.flatnonzero(areas)
        high, wide = (erased[hit].any(axis=k).sum(axis=1) for k in (2, 1))
        assert (high * wide == areas[hit]).all()  # filled boxes
        assert 0.08 * 600 < areas[hit].min() < areas[hit].max() < 0.22 * 600  # sides are rounded
        assert 0.45 < (high / wide).min() < 0.7 < 1.4 < (high / wide).max() < 2.2
        assert erased.any(axis=0).mean() > 0.95  # everywhere

    def test_ratios_are_heights_in_widths_as_torchvision_has_them(self) -> None:
        erasing = transforms.RandomErasing(1.0, (0.1, 0.1), (4.0, 4.0))
        erased = erasing.apply(np.ones((1, 1, 20, 20)), np.full((1, 23), 0.3))[0, 0] == 0
        assert erased.any(axis=1).sum() == 13  # sqrt(40 * 4), and sqrt(40 / 4)
        assert erased.any(axis=0).sum() == 3

    def test_a_box_that_never_fits_erases_nothing(self) -> None:
        erasing = transforms.RandomErasing(1.0, (1.0, 1.0))
        assert (erasing(np.ones((1, 5, 7))) == 1).all()

    def test_jitter_by_hand(self) -> None:
        image = np.array([[[[100, 200]], [[50, 0]], [[0, 100]]]], np.uint8)
        jitter = transforms.ColorJitter((0.5, 0.5), (2.0, 2.0), (0.5, 0.5))
        x = image * 0.5
        luma = np.array([0.2989, 0.587, 0.114])[:, None, None]
        mean = (x[0] * luma).sum(axis=0).mean()
        x = np.clip(mean + 2 * (x - mean), 0, 255)
        grey = (x[0] * luma).sum(axis=0)
        expected = np.rint(grey + 0.5 * (x - grey))
        assert np.array_equal(jitter.apply(image, np.full((1, 3), 0.7)), expected)

    def test_jitter_of_floats_and_of_one_channel(self) -> None:
        image = np.float32([[[[0.25, 0.75]]]])
        jitter = transforms.ColorJitter(contrast=(3.0, 3.0), saturation=0.9)
        assert jitter.apply(image, np.full((1, 3), 0.1)).tolist() == [[[[0, 1]]]]
        assert jitter(image[0]).dtype == np.float32


class TestWhatDoesNotFit:
    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (
                lambda: transforms.RandomResizedCrop(5, scale=(0.0, 1.0)),
                "scale is two numbers in order, above 0 and up to 1; got",
            ),
            (
                lambda: transforms.RandomResizedCrop(5, ratio=(2.0, 1.0)),
                r"ratio is two numbers in order, above 0; got \(2.0, 1.0\)",
            ),
            (lambda: transforms.RandomRotation(-3), "smallest and the largest; got -3"),
            (lambda: transforms.RandomRotation(3, "cubic"), "nearest, bilinear; got 'cubic'"),
            (lambda: transforms.RandomErasing(1.5), "p is a probability, 0 to 1; got 1.5"),
            (
                lambda: transforms.ColorJitter(contrast=(2.0, 1.0)),
                r"contrast is a number from 0, .*got \(2.0, 1.0\)",
            ),
        ],
    )
    def test_arguments(self, make: Any, message: str) -> None:
        with pytest.raises(DataError, match=message):
            make()

    def test_pixels(self) -> None:
        with pytest.raises(
            DTypeError, match="RandomRotation: pixels are uint8 or float32; got int64"
        ):
            transforms.RandomRotation(5)(np.ones((1, 3, 5), np.int64))

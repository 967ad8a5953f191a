"""Every perturbation of images against its definition."""

import numpy as np
import pytest
from scipy import ndimage, stats

from bionet import perturbations as pb
from bionet.errors import InputError

GREY = np.full((5, 2, 40, 30), 0.5, dtype=np.float32)
PICTURES = np.random.default_rng(0).uniform(size=(4, 3, 12, 10)).astype(np.float32)
ALL = [pb.GaussianNoise, pb.SaltAndPepper, pb.Occlusion, pb.Contrast, pb.Blur]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_level_0_changes_nothing_and_images_stay_images(kind):
    np.testing.assert_allclose(kind(0).apply(PICTURES), PICTURES, atol=1e-7)
    before = PICTURES.copy()
    changed = kind(0.7).apply(PICTURES, seed=1)
    np.testing.assert_array_equal(PICTURES, before)
    assert changed.dtype == np.float32 and changed.shape == PICTURES.shape
    assert changed.min() >= 0 and changed.max() <= 1 and not np.allclose(changed, before)
    # An image does not depend on those behind it.
    np.testing.assert_array_equal(kind(0.7).apply(PICTURES[:2], seed=1), changed[:2])


def test_all_image_perturbations_are_tested():
    known = {k for k in pb.PERTURBATIONS.values() if issubclass(k, pb.ImagePerturbation)}
    assert known == set(ALL)


def test_gaussian_noise_is_normal_and_clipped():
    noise = (pb.GaussianNoise(0.1).apply(GREY).astype(float) - 0.5) / 0.1
    assert stats.kstest(noise.ravel(), "norm").pvalue > 1e-4
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 4 / np.sqrt(2400)
    loud = pb.GaussianNoise(2.0).apply(GREY)
    assert (loud == 0).mean() == pytest.approx(stats.norm.cdf(-0.25), abs=0.02)


def test_salt_and_pepper_hits_its_share():
    changed = pb.SaltAndPepper(0.3).apply(GREY)
    n = 5 * 40 * 30
    hit = changed[:, 0] != 0.5
    assert stats.binomtest(int(hit.sum()), n, 0.3).pvalue > 1e-5
    assert stats.binomtest(int((changed[:, 0] == 1).sum()), n, 0.15).pvalue > 1e-5
    np.testing.assert_array_equal(changed[:, 0], changed[:, 1])


def test_occlusion_is_a_square_somewhere():
    corners = set()
    for image in pb.Occlusion(0.25).apply(np.repeat(GREY, 20, axis=0)):
        rows, columns = np.nonzero(image[0] == 0)
        assert len(rows) == 100 and np.ptp(rows) == np.ptp(columns) == 9
        corners.add((rows.min(), columns.min()))
    assert len(corners) > 50
    assert pb.Occlusion(1.0).apply(GREY).max() == 0


def test_contrast_shrinks_about_the_mean():
    changed = pb.Contrast(0.75).apply(PICTURES)
    for before, after in zip(PICTURES, changed, strict=True):
        assert after.mean() == pytest.approx(before.mean(), rel=1e-5)
        assert after.std() == pytest.approx(0.25 * before.std(), rel=1e-5)


def test_blur_spreads_a_point_as_a_gaussian():
    point = np.zeros((1, 1, 41, 41))
    point[0, 0, 20, 20] = 1.0
    found = pb.Blur(2.0).apply(point)[0, 0]
    y, x = np.mgrid[-20:21, -20:21]
    expected = np.exp(-(x**2 + y**2) / 8) / (8 * np.pi)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_allclose(
        pb.Blur(1.0).apply(PICTURES)[0, 1],
        ndimage.gaussian_filter(PICTURES[0, 1], 1.0, mode="constant"),
        atol=1e-6,
    )


def test_images_need_four_dimensions():
    with pytest.raises(InputError, match=r"blur: images must have the shape \(n, channels"):
        pb.Blur(1.0).apply(PICTURES[0])


def test_unknown_names_are_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="unknown perturbation 'blurr'; known are membrane_noise"):
        pb.find("blurr")
    with pytest.raises(InputError, match="could not be imported"):
        pb.find("nowhere_at_all:Thing")
    (tmp_path / "own_things.py").write_text("Thing = int\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="must be a subclass"):
        pb.find("own_things:Thing")
    assert pb.find("blur") is pb.Blur

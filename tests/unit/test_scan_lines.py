"""Scan lines that a probe spoilt are found and masked; domains and walls along lines are not."""

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from vaescope import read
from vaescope.judge import findings
from vaescope.read.piezoresponse.scan_lines import BadLines, bad_lines
from vaescope.results.coverage import coverage

SIDE = 160
TIP = 1.5  # px, standard deviation


def noise(shape, sd, seed):
    random = np.random.default_rng(seed + 1000)
    return sd * (random.normal(size=shape) + 1j * random.normal(size=shape))


def seen_by_tip(state, seed):
    """The response of a state (y, x): blurred by the tip, of an amplitude that varies slowly."""
    slow = gaussian_filter(np.random.default_rng(seed).normal(size=state.shape), SIDE / 10)
    return gaussian_filter(state, TIP) * (1 + 0.25 * slow / slow.std())


def scene(kind, seed):
    """A specimen without any fault of the scan, (y, x) real."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    near = gaussian_filter(random.normal(size=(SIDE, SIDE)), SIDE / 16)
    middle = SIDE * random.uniform(0.3, 0.7)
    return seen_by_tip(
        {
            "domains": np.where(near > 0, 1.0, -1.0),
            "one domain": np.ones((SIDE, SIDE)),
            "wall along the lines": np.where(y > middle, 1.0, -1.0),
            "wall along a part of the lines": np.where((y > middle) & (x < middle), 1.0, -1.0),
            "tilted wall": np.where(y > middle + random.uniform(0, 0.1) * x, 1.0, -1.0),
            "stripes along the lines": np.where(y % 24 < random.integers(5, 12), 1.0, -1.0),
            "a domains along the lines": np.where(y % 30 < random.integers(5, 10), 0.3, 1.0),
            "one domain below others": np.where((near > 0) & (y < middle), -1.0, 1.0),
            "compact switched domain": np.where(np.hypot(y - 80, x - 80) < middle / 2, -0.5, 1.0),
            "switched square": np.where(np.maximum(abs(y - 80), abs(x - 80)) < 50, -1.0, 1.0),
        }[kind],
        seed,
    )


KINDS = (
    "domains",
    "one domain",
    "wall along the lines",
    "wall along a part of the lines",
    "tilted wall",
    "stripes along the lines",
    "a domains along the lines",
    "one domain below others",
    "compact switched domain",
    "switched square",
)


def found_in(response) -> BadLines:
    return bad_lines(response, np.isfinite(response))


@pytest.mark.parametrize("kind", KINDS)
def test_no_specimen_is_taken_for_a_fault_of_the_scan(kind):
    for level in (0.02, 0.15, 0.4, 0.8):
        for seed in range(4):
            response = scene(kind, seed) + noise((SIDE, SIDE), level, seed)
            assert found_in(response).stripes == (), (level, seed)


def test_noise_has_no_bad_lines():
    for seed in range(5):
        assert found_in(noise((SIDE, SIDE), 1.0, seed)).stripes == ()


def lost_line(response, k, random):
    response[k] = 0.3 * noise(SIDE, 1, k)
    return [k]


def displaced_line(response, k, random):
    response[k] = np.roll(response[k], 30) * np.exp(0.7j)
    return [k]


def two_lines_with_an_offset(response, k, random):
    response[k : k + 2] += 0.8 * np.exp(1j * random.uniform(-np.pi, np.pi))
    return [k, k + 1]


def half_the_gain_from_there(response, k, random):
    response[k:] *= 0.5
    return [k - 1, k]


def lost_phase(response, k, random):
    response[k : k + 40] *= np.exp(1j)
    return range(k, k + 40)


def lost_contrast(response, k, random):
    part = response[k : k + 40]
    response[k : k + 40] = 0.7 * part.mean() + 0.15 * (part - part.mean())
    return range(k, k + 40)


def no_response_to_the_end(response, k, random):
    response[k:] = 0
    return range(k, SIDE)


FAULTS = {
    lost_line: "jump",
    displaced_line: "jump",
    two_lines_with_an_offset: "jump",
    half_the_gain_from_there: "tip change",
    lost_phase: "lost contrast",
    lost_contrast: "lost contrast",
    no_response_to_the_end: "lost contrast",
}


@pytest.mark.parametrize("slow", ["y", "x"])
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found_along_whichever_axis_is_the_slow_one(fault, slow):
    for level in (0.05, 0.2):
        for seed in range(3):
            random = np.random.default_rng(seed)
            response = scene("domains", seed + 50).astype(complex)
            lines = list(fault(response, int(random.integers(30, SIDE - 60)), random))
            response += noise(response.shape, level, seed)
            found = found_in(response if slow == "y" else response.T)
            assert "yx"[found.axis] == slow
            assert FAULTS[fault] in {stripe.kind for stripe in found.stripes}
            good = found.mask((SIDE, SIDE))
            good = good[:, 0] if slow == "y" else good[0]
            assert not good[lines].any(), (level, seed)
            others = np.ones(SIDE, bool)
            others[max(min(lines) - 1, 0) : max(lines) + 2] = False
            assert good[others].all(), (level, seed)


def save(path, response):
    np.savez(path, amplitude=abs(response), phase=np.angle(response))
    return path


def test_bad_lines_count_as_not_measured_and_are_said(tmp_path):
    response = np.stack([scene("domains", 3)] * 2) * np.exp(2j) + noise((2, SIDE, SIDE), 0.1, 1)
    response[1, 100:140] *= np.exp(1j)
    path = save(tmp_path / "a.npz", response)
    image = read.load([path], {"piezoresponse": True})
    measured = image["measured"].values
    assert measured[0].all()
    assert not measured[1, 100:140].any()
    assert measured[1, :99].all()
    assert coverage(image).causes == ("bad scan lines",)
    said = {finding.kind: finding for finding in findings.of_piezoresponse(image)}
    assert "rows 100–139 of frame 1" in said["lost contrast"].says
    assert "count as not measured" in said["lost contrast"].means
    assert "bad_lines: keep" in said["lost contrast"].remedy
    kept = read.load([path], {"piezoresponse": True, "bad_lines": "keep"})
    assert "measured" not in kept
    said = {finding.kind: finding for finding in findings.of_piezoresponse(kept)}
    assert "kept as they are" in said["lost contrast"].means


def test_a_stripe_of_another_phase_does_not_turn_the_offset(tmp_path):
    """It covers three fifths of the frame; the two states are those of the rest."""
    truth = scene("domains", 3)
    response = truth * np.exp(2j) + noise((SIDE, SIDE), 0.1, 1)
    response[64:] *= np.exp(1.5j) * 0.3
    image = read.load([save(tmp_path / "a.npz", response)], {"piezoresponse": True})
    (frame,) = json.loads(image.attrs["piezoresponse"])["responses"][0]["frames"]
    assert abs(np.angle(np.exp(2j * (frame["offset"] - 2)))) / 2 < np.radians(3)


def test_lines_of_which_nothing_was_measured_are_no_neighbours():
    response = scene("domains", 1) + noise((SIDE, SIDE), 0.1, 1)
    response[50:60] = np.nan
    response[120] = np.roll(response[120], 40)
    (stripe,) = found_in(response).stripes
    assert (stripe.first, stripe.last, stripe.kind) == (120, 120, "jump")

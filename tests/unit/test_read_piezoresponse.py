"""Amplitude and phase become one complex signal, with the domain states at + and - of one axis."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from piezoresponses import SIDE, away, domains, frames_of, noise, plane, save, turn
from reading import write_ibw

from vaescope import read
from vaescope.errors import UserError
from vaescope.judge import findings
from vaescope.read.piezoresponse import phase_offset, roles


@settings(max_examples=25, deadline=None)
@given(
    share=st.floats(0.6, 0.97),
    offset=st.floats(-np.pi, np.pi),
    background=st.floats(0, 0.5),
    across=st.floats(-np.pi, np.pi),
    level=st.sampled_from([0.05, 0.3, 0.6]),
    seed=st.integers(0, 10_000),
)
def test_the_offset_is_found_whatever_it_is(share, offset, background, across, level, seed):
    """Within 3°, which turns 0.1 % of the response off the axis; the larger domain is positive."""
    truth = domains(share, seed)
    constant = background * turn(across)
    response = (truth + constant + noise(truth.shape, level, seed)) * turn(offset)
    (found,), _ = phase_offset.of_series([response], [np.ones(truth.shape, bool)])
    assert away(found.offset, offset) < np.radians(3)
    assert found.count == 2
    assert abs(found.background * turn(-offset) - constant) < 0.2


@settings(max_examples=20, deadline=None)
@given(
    wrap=st.floats(-np.pi, np.pi),
    offset=st.floats(-np.pi, np.pi),
    unit=st.sampled_from(["rad", "deg"]),
    seed=st.integers(0, 1000),
)
def test_where_the_phase_is_wrapped_makes_no_difference(tmp_path_factory, wrap, offset, unit, seed):
    truth = domains(0.7, seed)
    response = (truth + noise(truth.shape, 0.1, seed)) * turn(offset)
    path = save(tmp_path_factory.mktemp("w") / "a.npz", response, wrap=wrap, unit=unit)
    image = read.load([path], {"piezoresponse": True})
    assert list(image["channel"].values) == ["in-phase", "out-of-phase", "amplitude"]
    assert np.corrcoef(plane(image, "in-phase").ravel(), truth.ravel())[0, 1] > 0.97
    assert abs(plane(image, "out-of-phase")).mean() < 0.12
    assert np.allclose(
        np.hypot(plane(image, "in-phase"), plane(image, "out-of-phase")), abs(response), atol=1e-5
    )


def test_signs_of_a_series_agree_although_every_frame_has_its_own_offset(tmp_path):
    random = np.random.default_rng(3)
    truth = np.stack([np.where(domains(share, 5) > 0, 1, -1) for share in (0.7, 0.6, 0.5, 0.42)])
    offsets = random.uniform(-np.pi, np.pi, len(truth))
    response = truth * turn(offsets)[:, None, None] + noise(truth.shape, 0.2)
    image = read.load([save(tmp_path / "a.npz", response)], {"piezoresponse": True})
    for k, frame in enumerate(frames_of(image)):
        assert away(frame["offset"], offsets[k]) < np.radians(2)
        assert np.corrcoef(plane(image, "in-phase", k).ravel(), truth[k].ravel())[0, 1] > 0.9
    said = findings.of_piezoresponse(image)
    assert [finding.kind for finding in said] == ["phase offset changed"]


def test_a_switch_of_most_of_the_area_is_no_change_of_sign_if_the_offset_stays(tmp_path):
    before, after = domains(0.9, 1), -domains(0.9, 2)
    response = np.stack([before, after]) * turn(0.5) + noise((2, SIDE, SIDE), 0.1)
    image = read.load([save(tmp_path / "a.npz", response)], {"piezoresponse": True})
    assert plane(image, "in-phase", 0).mean() > 0.5
    assert plane(image, "in-phase", 1).mean() < -0.5
    assert findings.of_piezoresponse(image) == []


def test_a_frame_inverted_as_a_whole_keeps_its_sign(tmp_path):
    """When the drive crosses the contact resonance, all phases turn by 180° and no wall moves."""
    truth = domains(0.6, 1)
    response = np.stack([truth, -truth]) * turn(0.5) + noise((2, SIDE, SIDE), 0.1)
    image = read.load([save(tmp_path / "a.npz", response)], {"piezoresponse": True})
    assert np.corrcoef(*(plane(image, "in-phase", k).ravel() for k in (0, 1)))[0, 1] > 0.9


@pytest.mark.parametrize(
    ("low", "high", "unit", "found"),
    [
        (-3.1, 3.1, "rad", "rad"),
        (-1.5, 4.7, "", "rad"),
        (-90, 270, "m", "deg"),
        (-180, 180, "rad", "deg"),
        (30, 34, "deg", "deg"),
        (1.0, 1.2, "deg", "deg"),
    ],
)
def test_the_unit_of_a_phase_is_taken_from_its_values_where_the_file_is_wrong(
    low, high, unit, found
):
    from vaescope.read.piezoresponse.sources import turn_of

    period, words = turn_of(low, high, unit, "phase")
    assert words["phase_unit"] == found
    assert period == pytest.approx(2 * np.pi if found == "rad" else 360)
    assert ("phase_unit_by_values" in words) == ((unit, found) in (("m", "deg"), ("rad", "deg")))


def test_a_phase_in_volts_is_refused():
    from vaescope.read.piezoresponse.sources import turn_of

    with pytest.raises(UserError, match=r"phase is in volts.*Export it in degrees"):
        turn_of(-10, 10, "V", "PhaseRetrace")


@pytest.mark.parametrize(
    ("names", "pairs", "others"),
    [
        (  # Asylum, single frequency, with a second pass
            "HeightRetrace AmplitudeRetrace NapAmplitudeRetrace DeflectionRetrace PhaseRetrace "
            "NapPhaseRetrace UserIn0Retrace",
            [(1, 4)],
            {"height": 0, "deflection": 3},
        ),
        (  # Asylum, DART
            "HeightRetrace Amplitude1Retrace Amplitude2Retrace Phase1Retrace Phase2Retrace "
            "FrequencyRetrace",
            [(1, 3), (2, 4)],
            {"height": 0, "frequency": 5},
        ),
        ("PR_Amplitude PR_Phase Height_Sensor", [(0, 1)], {"height": 2}),
        (  # Nanonis
            "Z_forward Z_backward LI_Demod_1_X_forward LI_Demod_1_X_backward LI_Demod_1_Y_forward "
            "LI_Demod_1_Y_backward",
            [(2, 4)],
            {"height": 0},
        ),
        (
            "Lateral_Amplitude Lateral_Phase Vertical_Amplitude Vertical_Phase Topography",
            [(2, 3), (0, 1)],
            {"height": 4},
        ),
        ("Out-of-plane_phase Out-of-plane_amplitude In-plane_amplitude In-plane_phase", None, {}),
        ("AmplitudeTrace AmplitudeRetrace PhaseTrace PhaseRetrace HeightRetrace", [(0, 2)], {}),
        ("response_magnitude response_phase", [(0, 1)], {}),
        ("in-phase out-of-phase", [(0, 1)], {}),
        ("Amp Theta ZSensor", [(0, 1)], {"z sensor": 2}),
    ],
)
def test_channels_are_recognised_by_the_names_that_vendors_give_them(names, pairs, others):
    found = roles.choose(
        names.replace("_", " ").split(" ")
        if " " not in names
        else [name.replace("_", " ") for name in names.split()],
        "auto",
        path="a",
    )
    if pairs is None:  # the vertical response first
        pairs = [(1, 0), (2, 3)]
    assert [(pair.first, pair.second) for pair in found.pairs] == pairs
    assert found.others == others


def test_a_dart_image_has_both_responses_with_one_sign(tmp_path):
    truth = domains(0.7)
    parts = [
        truth * turn(angle) + noise(truth.shape, 0.1, k) for k, angle in enumerate((1.0, -2.0))
    ]
    layers = [domains(0.5, 9), *(abs(z) for z in parts), *(np.degrees(np.angle(z)) for z in parts)]
    layers = np.stack([*layers, domains(0.5, 8)], -1)[::-1].transpose(1, 0, 2)
    names = [
        "HeightRetrace",
        "Amplitude1Retrace",
        "Amplitude2Retrace",
        "Phase1Retrace",
        "Phase2Retrace",
    ]
    write_ibw(tmp_path / "a.ibw", layers, [*names, "FrequencyRetrace"], "ScanSize: 2e-6\r")
    image = read.load([tmp_path / "a.ibw"], {"piezoresponse": True})
    assert list(image["channel"].values) == [
        *("in-phase", "out-of-phase", "amplitude"),
        *("in-phase 2", "out-of-phase 2", "amplitude 2"),
        *("height", "frequency"),
    ]
    assert image.attrs["channel_units"] == ["pm"] * 6 + ["m", "Hz"]
    for name in ("in-phase", "in-phase 2"):
        assert np.corrcoef(plane(image, name).ravel(), truth.ravel())[0, 1] > 0.95

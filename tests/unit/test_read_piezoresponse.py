"""Amplitude and phase become one complex signal, with the domain states at + and - of one axis."""

import json

import gwyfile.objects as gwy
import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import EXAMPLES, write_ibw
from scipy.ndimage import gaussian_filter

from vaescope import read
from vaescope.errors import UserError
from vaescope.judge import findings
from vaescope.read.piezoresponse import phase_offset, roles

SIDE = 96


def domains(share: float, seed: int = 0, side: int = SIDE) -> np.ndarray:
    """(side, side) random domains, +1 on ``share`` of the area and -1 elsewhere, with walls."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), side / 12)
    state = np.where(field < np.quantile(field, share), 1.0, -1.0) if share < 1 else field * 0 + 1
    return gaussian_filter(state, 1.5)


def noise(shape, sd: float, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    return sd * (random.normal(size=shape) + 1j * random.normal(size=shape))


def turn(angle):
    return np.exp(1j * angle)


def away(one, other):
    """Between two angles, in rad."""
    return abs(np.angle(turn(one - other)))


def made(image):
    return json.loads(image.attrs["piezoresponse"])


def frames_of(image, response=0):
    return made(image)["responses"][response]["frames"]


def plane(image, name, frame=0):
    return image["image"].sel(channel=name).values[frame]


def save(path, response, *, wrap=0.0, unit="rad", **more):
    """An npz of amplitude and phase, wrapped at any angle."""
    phase = np.angle(response * turn(-wrap)) + wrap
    phase = np.degrees(phase) if unit == "deg" else phase
    np.savez(path, amplitude=abs(response), phase=phase, **more)
    return path


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


def nsid(path, channels, metadata):
    """A pyNSID file of images (x, y) by name: (values (y, x), unit)."""
    with h5py.File(path, "w") as file:
        for k, (name, (values, unit)) in enumerate(channels.items()):
            data = file.create_dataset(
                f"Measurement_000/Channel_{k:03}/{name}/{name}", data=values.T
            )
            data.attrs.update(main_data_name=name, quantity=name, units=unit)
            for axis, letter in enumerate("xy"):
                places = np.arange(values.shape[1 - axis]) * 1e-8
                scale = data.parent.create_dataset(letter, data=places)
                scale.attrs.update(dimension_type="SPATIAL", units="m", quantity=letter)
                scale.make_scale(letter)
                data.dims[axis].label = letter
                data.dims[axis].attach_scale(scale)
            group = data.parent.create_group("original_metadata")
            group.attrs.update(metadata)
    return path


def channels_of(response, height):
    """As Asylum writes them, the second pass with its phase in m and of other domains."""
    other = np.roll(response, 31, 0)
    return {
        "HeightRetrace": (height, "m"),
        "AmplitudeRetrace": (abs(response), "m"),
        "NapAmplitudeRetrace": (abs(other), "m"),
        "PhaseRetrace": (np.degrees(np.angle(response * turn(-1))) + 57.3, "m"),
        "NapPhaseRetrace": (np.degrees(np.angle(other)), "m"),
    }


def test_the_second_pass_is_not_the_response(tmp_path):
    truth = domains(0.7)
    response = truth * turn(2.0) + noise(truth.shape, 0.1)
    path = nsid(tmp_path / "a.h5", channels_of(response, domains(0.5, 3)), {"ScanAngle": "0"})
    image = read.load([path], {"piezoresponse": True})
    assert list(image["channel"].values) == ["in-phase", "out-of-phase", "amplitude", "height"]
    assert np.corrcoef(plane(image, "in-phase").ravel(), truth.ravel())[0, 1] > 0.95
    assert made(image)["left_out"] == ["NapAmplitudeRetrace", "NapPhaseRetrace"]
    assert "unit of the phase" in {finding.kind for finding in findings.of_piezoresponse(image)}


def test_plain_hdf5_gwyddion_and_complex_arrays(tmp_path):
    truth = domains(0.7)
    response = truth * turn(2.0) + noise(truth.shape, 0.1)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["scan/amplitude"] = abs(response)
        file["scan/phase"] = np.degrees(np.angle(response))
        file["scan/phase"].attrs["units"] = "deg"
        file["scan/height"] = domains(0.5, 2)
        file["scan/line"] = np.arange(SIDE)
    np.save(tmp_path / "a.npy", response)
    np.savez(tmp_path / "a.npz", response=response)
    container = gwy.GwyContainer()
    for k, (name, values) in enumerate(
        {"Amplitude": abs(response), "Phase": np.degrees(np.angle(response))}.items()
    ):
        container[f"/{k}/data/title"] = name
        unit = gwy.GwySIUnit(unitstr="deg" if k else "V")
        container[f"/{k}/data"] = gwy.GwyDataField(values, 1e-6, 1e-6, si_unit_z=unit)
    container.tofile(str(tmp_path / "a.gwy"))
    for name in ("a.h5", "a.npy", "a.npz", "a.gwy"):
        image = read.load([tmp_path / name], {"piezoresponse": True})
        assert list(image["channel"].values[:3]) == ["in-phase", "out-of-phase", "amplitude"]
        assert np.corrcoef(plane(image, "in-phase").ravel(), truth.ravel())[0, 1] > 0.95
        assert ("height" in image["channel"].values) == (name == "a.h5")


@pytest.mark.parametrize("direction", ["auto", "retrace"])
def test_a_scan_in_two_directions_gives_one_and_says_so(tmp_path, direction):
    truth = domains(0.7)
    trace, retrace = (np.roll(truth, k, 1) * turn(1) + noise(truth.shape, 0.05) for k in (0, 7))
    arrays = {}
    for name, response in (("trace", trace), ("retrace", retrace)):
        arrays |= {f"amplitude_{name}": abs(response), f"phase_{name}": np.angle(response)}
    np.savez(tmp_path / "a.npz", **arrays)
    image = read.load([tmp_path / "a.npz"], {"piezoresponse": True, "direction": direction})
    kept = truth if direction == "auto" else np.roll(truth, 7, 1)
    assert image.sizes["channel"] == 3
    assert np.corrcoef(plane(image, "in-phase").ravel(), kept.ravel())[0, 1] > 0.98
    (said,) = findings.of_piezoresponse(image)
    assert said.kind == "scans in two directions"
    assert ("retrace" if direction == "auto" else "direction: trace") in said.remedy


def test_lost_pixels_stay_lost(tmp_path):
    response = domains(0.7) * turn(1) + noise((SIDE, SIDE), 0.1)
    response[40:50] = np.nan
    image = read.load([save(tmp_path / "a.npz", response)], {"piezoresponse": True})
    assert not image["measured"].values[0, 40:50].any()
    assert image["measured"].values[0, :40].all()
    assert np.isfinite(image["image"].values).all()


def write_layers(folder, shift, angle="0"):
    """Two files of one area, the second moved by ``shift`` px: the responses, and the paths."""
    height = gaussian_filter(np.random.default_rng(5).normal(size=(SIDE + 24,) * 2), 3) * 1e-7
    fields = [domains(0.7, 1, SIDE + 24), domains(0.6, 2, SIDE + 24)]
    paths = []
    for k, field in enumerate(fields):
        y, x = (12 + shift[0], 12 + shift[1]) if k else (12, 12)
        cut = np.s_[y : y + SIDE, x : x + SIDE]
        response = field[cut] * turn(k - 0.5) + noise((SIDE, SIDE), 0.05, k)
        about = {"ScanAngle": angle if k else "0"}
        paths.append(nsid(folder / f"{k}.h5", channels_of(response, height[cut]), about))
    return [field[12 : 12 + SIDE, 12 : 12 + SIDE] for field in fields], paths


def test_layers_are_put_in_register_by_their_heights(tmp_path):
    truths, paths = write_layers(tmp_path, (5, -3))
    image = read.load(paths, {"piezoresponse": True, "join": "layers"})
    assert list(image["channel"].values) == [
        *("in-phase", "out-of-phase", "amplitude"),
        *("in-phase 2", "out-of-phase 2", "amplitude 2"),
        "height",
    ]
    second = made(image)["responses"][1]
    assert np.allclose(second["shift_px"], (5, -3), atol=0.1)
    measured = image["measured"].values[0]
    assert not measured[:4].any()
    assert not measured[:, -2:].any()
    inside = np.s_[8:-8, 8:-8]
    assert measured[inside].all()
    for name, truth in zip(("in-phase", "in-phase 2"), truths, strict=True):
        found = np.corrcoef(plane(image, name)[inside].ravel(), truth[inside].ravel())[0, 1]
        assert abs(found) > 0.97


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    _, paths = write_layers(tmp_path, (0, 0), angle="90")
    with pytest.raises(UserError, match=r"scanned in two directions.*90°.*its own row"):
        read.load(paths, {"piezoresponse": True})
    _, paths = write_layers(tmp_path, (0, 0))
    other = channels_of(domains(0.5) * turn(1), domains(0.5, 77))
    nsid(paths[1], other, {})
    with pytest.raises(UserError, match="their heights do not match"):
        read.load(paths, {"piezoresponse": True, "join": "layers"})
    small = {k: (values[:64, :64], unit) for k, (values, unit) in other.items()}
    nsid(paths[1], small, {})
    for join in ("series", "layers"):
        with pytest.raises(UserError, match="equal shapes"):
            read.load(paths, {"piezoresponse": True, "join": join})
    with pytest.raises(UserError, match="for a piezoresponse"):
        read.load(paths, {"join": "layers"})


def test_what_is_no_piezoresponse_is_refused_with_the_channels_found(tmp_path):
    amplitude = abs(domains(0.7)) + 1
    np.savez(tmp_path / "a.npz", amplitude=amplitude, height=amplitude)
    with pytest.raises(UserError, match=r"an amplitude but no phase.*0: amplitude, 1: height"):
        read.load([tmp_path / "a.npz"], {"piezoresponse": True})
    np.savez(tmp_path / "b.npz", nap_amplitude=amplitude, nap_phase=amplitude)
    with pytest.raises(UserError, match="second pass alone"):
        read.load([tmp_path / "b.npz"], {"piezoresponse": True})
    np.savez(tmp_path / "c.npz", amplitude=amplitude - amplitude.mean(), phase=amplitude)
    with pytest.raises(UserError, match=r"negative in .* take the raw data"):
        read.load([tmp_path / "c.npz"], {"piezoresponse": True})
    np.savez(tmp_path / "d.npz", amplitude=amplitude * 0 + 1, phase=amplitude * 0)
    with pytest.raises(UserError, match="constant"):
        read.load([tmp_path / "d.npz"], {"piezoresponse": True})
    np.savez(tmp_path / "e.npz", amplitude=amplitude, phase=np.stack([amplitude] * 2))
    with pytest.raises(UserError, match=r"no channels of one image.*1: phase \(2 ×"):
        read.load([tmp_path / "e.npz"], {"piezoresponse": True})
    np.savez(tmp_path / "f.npz", amplitude=amplitude, phase=amplitude.astype(str))
    with pytest.raises(UserError, match="two arrays of numbers of one shape"):
        read.load([tmp_path / "f.npz"], {"piezoresponse": True})


def test_channels_with_names_that_say_nothing_are_amplitude_and_phase_if_the_recipe_names_them(
    tmp_path,
):
    truth = domains(0.7)
    response = truth * turn(2.0) + noise(truth.shape, 0.1)
    np.save(tmp_path / "a.npy", np.stack([np.angle(response), abs(response)], -1))
    image = read.load([tmp_path / "a.npy"], {"piezoresponse": True, "channel": [1, 0]})
    assert np.corrcoef(plane(image, "in-phase").ravel(), truth.ravel())[0, 1] > 0.95


def test_one_domain_and_noise_are_said(tmp_path):
    one = turn(2.0) + noise((SIDE, SIDE), 0.1)
    image = read.load([save(tmp_path / "a.npz", one)], {"piezoresponse": True})
    assert away(frames_of(image)[0]["offset"], 2.0) < 0.02
    assert [finding.kind for finding in findings.of_piezoresponse(image)] == ["single domain"]
    empty = noise((SIDE, SIDE), 1.0)
    image = read.load([save(tmp_path / "a.npz", empty)], {"piezoresponse": True})
    assert [finding.kind for finding in findings.of_piezoresponse(image)] == ["no piezoresponse"]


def test_a_nanonis_scan_has_both_directions_and_is_turned_as_on_the_screen(tmp_path):
    truth = domains(0.7)
    response = truth * turn(2.0) + noise(truth.shape, 0.1)
    head = (
        ":NANONIS_VERSION:\n2\n:SCANIT_TYPE:\n              FLOAT            MSBFIRST\n"
        f":SCAN_PIXELS:\n       {SIDE}       {SIDE}\n:SCAN_RANGE:\n  9.6E-7  9.6E-7\n"
        ":SCAN_DIR:\nup\n:SCAN_ANGLE:\n            0.000E+0\n:DATA_INFO:\n"
        "\tChannel\tName\tUnit\tDirection\tCalibration\tOffset\n"
        "\t14\tZ\tm\tboth\t1.0\t0.0\n\t20\tLI_Demod_1_X\tV\tboth\t1.0\t0.0\n"
        "\t21\tLI_Demod_1_Y\tV\tboth\t1.0\t0.0\n\n:SCANIT_END:\n\n\n"
    )
    body = b""
    for values in (domains(0.5, 4), response.real, response.imag):
        lines = values[::-1].astype(">f4")
        body += lines.tobytes() + np.roll(lines, 5, 1)[:, ::-1].tobytes()
    (tmp_path / "a.sxm").write_bytes(head.encode() + b"\x1a\x04" + body)
    image = read.load([tmp_path / "a.sxm"], {"piezoresponse": True})
    assert list(image["channel"].values) == ["in-phase", "out-of-phase", "amplitude", "height"]
    assert image.attrs["channel_units"] == ["V", "V", "V", "m"]
    assert np.corrcoef(plane(image, "in-phase").ravel(), truth.ravel())[0, 1] > 0.95
    assert [one.kind for one in findings.of_piezoresponse(image)] == ["scans in two directions"]


def test_the_bundled_pair_shows_a_region_that_switched(tmp_path):
    paths = [EXAMPLES / f"PZT_thick000{k}.h5" for k in (4, 6)]
    image = read.load(paths, {"piezoresponse": True})
    assert list(image["channel"].values) == ["in-phase", "out-of-phase", "amplitude", "height"]
    assert image.attrs["pixel_size"] == pytest.approx(11.765, abs=1e-3)
    before, after = frames_of(image)
    assert away(before["offset"], after["offset"]) < np.radians(5)
    assert after["negative"] > 3 * before["negative"]
    middle = np.s_[110:190, 100:170]
    switched = [(plane(image, "in-phase", k)[middle] < 0).mean() for k in (0, 1)]
    assert switched[0] < 0.15
    assert switched[1] > 0.4
    assert {one.kind for one in findings.of_piezoresponse(image)} == {"jump", "tip change"}


def test_frames_have_the_times_that_the_files_state(tmp_path):
    pair = [EXAMPLES / f"PZT_thick000{k}.h5" for k in (4, 6)]
    time = read.load(pair, {"piezoresponse": True})["time"]
    assert time.values.tolist() == [0.0, 812.0]
    assert time.attrs["units"] == "s"
    # Named against the order of time: what is known is the order of the frames alone.
    for k, path in enumerate(reversed(pair)):
        (tmp_path / f"scan{k}.h5").write_bytes(path.read_bytes())
    time = read.load(sorted(tmp_path.glob("*.h5")), {"piezoresponse": True})["time"]
    assert time.values.tolist() == [0.0, 1.0]
    assert time.attrs["units"] == "frame"

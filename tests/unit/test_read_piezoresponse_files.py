"""Piezoresponses of vendors' files: which channels they are, layers, and what is refused."""

import gwyfile.objects as gwy
import h5py
import numpy as np
import pytest
from piezoresponses import (
    SIDE,
    away,
    channels_of,
    domains,
    frames_of,
    made,
    noise,
    nsid,
    plane,
    save,
    turn,
)
from reading import EXAMPLES
from scipy.ndimage import gaussian_filter

from vaescope import read
from vaescope.errors import UserError
from vaescope.judge import findings


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

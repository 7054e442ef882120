"""The learned detector: what it learns from simulations holds in images that it has not seen."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vaescope import simulate, sites
from vaescope.errors import UserError
from vaescope.learned import network
from vaescope.learned.files import BUNDLED
from vaescope.report import write_index
from vaescope.results import layout
from vaescope.sites import learned
from vaescope.sites.detectors import words
from vaescope.sites.learned import detector as files
from vaescope.sites.learned import maxima, picture, scenes, training
from vaescope.sites.learned.detector import alike, look
from vaescope.sites.scale import Scale
from vaescope.workflow import bundle

SMALL = {"images": 3, "steps": 3, "members": 2, "channels": 4, "batch": 2}
REPOSITORY = Path(__file__).parents[2]
# The weak sublattice is a third as strong: filters take it for noise.
NOISY = "perovskite?size=192&spacing=20&ratio=0.35&ratio1=0.35&dose=250&grain=0"


@pytest.fixture(scope="module")
def trained() -> files.Detector:
    """The one for crystals that comes with the package: no test waits for its training."""
    found = learned.bundled()
    assert isinstance(found, files.Detector)
    return found


@pytest.fixture(scope="module")
def small() -> files.Detector:
    """Trained for a few steps: it knows nothing, but comes about as every detector does."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training, "_JUDGED", 8)
        return learned.train(SMALL, log=lambda text: None)


def f1(found) -> float:
    told = json.loads(found.attrs["truth_scores"])
    precision, recall = told["precision"] or 0.0, told["recall"] or 0.0
    return 2 * precision * recall / max(precision + recall, 1e-9)


def test_it_finds_a_weak_sublattice_that_filters_miss(trained):
    image = simulate.make(NOISY, seed=5)
    spacing = {"spacing": 14.14}
    found = sites.find(image, {"method": "model"} | spacing, detector=trained)
    others = [f1(sites.find(image, {"method": way} | spacing)) for way in ("log", "maxima")]
    assert f1(found) > 0.95 > max(others)
    assert ((found["score"] >= 0.5) & (found["score"] <= 1)).all()
    assert (found["score_spread"] >= 0).all() and float(found["score_spread"].max()) > 0
    assert ((found["species_probability"] >= 0.5) & (found["species_probability"] <= 1)).all()


def test_tiles_and_threads_do_not_matter(trained):
    image = simulate.make("perovskite?size=256&spacing=12&width=1.6&dose=500", seed=1)
    frame = da.from_array(image["image"].values[0, 0])
    lengths = Scale(8.5, 1.6, True)
    whole = look(trained, frame, lengths, spread=1.0, tile=512)
    parts = look(trained, frame, lengths, spread=1.0, tile=64, threads=3)
    assert len(whole.position) == len(parts.position) > 400
    np.testing.assert_allclose(parts.position, whole.position, atol=1e-2)
    np.testing.assert_allclose(parts.score, whole.score, atol=1e-3)
    np.testing.assert_allclose(parts.height, whole.height, atol=1e-3)


def test_the_network_sees_no_farther_than_the_margin_of_a_tile():
    torch.manual_seed(0)
    model = network.UNet(4).eval()
    seen = torch.zeros(1, 1, 256, 256, requires_grad=True)
    model(seen + torch.randn(1, 1, 256, 256))[0, 0, 125, 130].backward()
    rows, columns = np.nonzero(seen.grad[0, 0].numpy())
    reach = max(abs(rows - 125).max(), abs(columns - 130).max())
    assert 20 < reach <= network.REACH


def test_what_was_saved_finds_the_same(trained, tmp_path):
    learned.save(trained, tmp_path / "members")
    again = learned.load(tmp_path / "members")
    image = simulate.make("perovskite?size=128&spacing=16&width=2", seed=2)
    one, two = (
        sites.find(image, {"method": "model"}, detector=detector) for detector in (trained, again)
    )
    assert one.identical(two)
    assert again.settings == trained.settings


def test_the_same_settings_train_the_same_detector(small, monkeypatch):
    monkeypatch.setattr(training, "_JUDGED", 8)
    one, two = small, learned.train(SMALL, threads=2, log=lambda text: None)
    assert one.facts == two.facts
    for a, b in zip(one.members, two.members, strict=True):
        for left, right in zip(a.parameters(), b.parameters(), strict=True):
            assert torch.equal(left, right)
    assert not torch.equal(one.members[0].last.weight, one.members[1].last.weight)


def test_a_folder_without_a_detector_is_told(tmp_path):
    with pytest.raises(UserError, match="no trained detector here"):
        learned.load(tmp_path)
    (tmp_path / "detector.json").write_text('{"settings": {}, "facts": {"species": 1}}')
    (tmp_path / "member-0.safetensors").write_bytes(b"not weights")
    with pytest.raises(UserError, match="train the detector again"):
        learned.load(tmp_path)


def test_the_detectors_of_these_recipes_and_no_others_come_with_the_package():
    wanted = bundle.wanted(REPOSITORY)
    assert {name for names, _ in wanted.values() for name in names} == set(bundle.BUNDLED)
    folders = {folder.name: folder for folder in BUNDLED.iterdir()}
    assert folders.keys() == wanted.keys()
    for digest, (_, own) in wanted.items():
        detector = learned.bundled(own)
        assert detector is not None
        assert detector.settings.digest() == digest
        assert len(detector.members) == own.members
        assert detector.facts["bundled"] and detector.facts["packages"]["torch"]
        # On simulated images that it has not seen, of any dose and contamination.
        assert detector.facts["f1"] > 0.75
    size = sum(file.stat().st_size for file in BUNDLED.rglob("*"))
    assert size < 5e6, f"{size / 1e6:.1f} MB"


def test_a_wheel_has_the_bundled_detectors():
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    patterns = tomllib.loads(text)["tool"]["setuptools"]["package-data"]["vaescope"]
    package = BUNDLED.parents[1]
    taken = {file for pattern in patterns for file in package.glob(pattern)}
    assert {file for file in BUNDLED.rglob("*") if file.is_file()} <= taken


def test_the_detector_of_layers_tells_metal_from_chalcogen():
    detector = learned.bundled({"simulate": ["mos2", "wse2"]})
    found = sites.find(
        simulate.make("mos2?size=160&dose=1500&spacing=22&width=2.6", seed=8),
        {"method": "model", "spacing": 12.7},
        detector=detector,
    )
    known = found["truth_species"].values >= 0
    assert f1(found) > 0.95 and known.sum() > 60
    assert (found["species"].values == found["truth_species"].values)[known].mean() > 0.9


def test_another_seed_is_no_bundled_detector():
    assert learned.bundled({"seed": 1}) is None
    image = simulate.make("square?size=64&spacing=12", seed=0)
    with pytest.raises(UserError, match="needs a trained detector"):
        sites.find(image, {"method": "model", "detector": {"seed": 1}})


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The folder of a bundled detector, to be damaged."""
    folder = tmp_path / "members"
    shutil.copytree(BUNDLED / learned.DetectorSettings().digest(), folder)
    assert learned.load(folder).facts["species"] == 2
    return folder


@pytest.mark.parametrize("name", ["member-0.safetensors", "member-2.safetensors", "detector.json"])
def test_a_detector_of_which_one_bit_differs_is_refused(copied: Path, name: str):
    content = bytearray((copied / name).read_bytes())
    place = content.index(b"0.9") + 2 if name.endswith("json") else len(content) // 2
    content[place] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(UserError, match="not as it was written") as raised:
        learned.load(copied)
    assert name in str(raised.value) and str(raised.value).count("SHA-256") == 2
    assert "train the detector again" in str(raised.value)


def test_a_detector_that_lacks_a_member_is_refused(copied: Path):
    (copied / "member-1.safetensors").unlink()
    with pytest.raises(UserError, match="no such file"):
        learned.load(copied)


def test_a_damaged_bundled_detector_is_told_with_its_own_remedy(copied: Path, monkeypatch):
    own = learned.DetectorSettings()
    monkeypatch.setattr("vaescope.learned.files.BUNDLED", copied.parent)
    copied.rename(copied.parent / own.digest())
    file = copied.parent / own.digest() / "member-0.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match="Install vaescope again"):
        learned.bundled(own)


def test_sites_say_which_detector_found_them(trained):
    image = simulate.make("perovskite?size=96&spacing=18&dose=800", seed=4)
    found = sites.find(image, {"method": "model"})  # the bundled one is taken by itself
    assert found.identical(sites.find(image, {"method": "model"}, detector=trained))
    assert found.attrs["detector"] == trained.settings.digest()
    assert found.attrs["detector_bundled"]
    assert found.attrs["detector_f1"] == trained.facts["f1"]
    text = words(found.attrs)
    assert "comes with vaescope" in text and trained.facts["trained"] in text
    assert f"{trained.facts['recall']:.3f}" in text


def test_training_rounds_weights_to_the_precision_in_which_they_are_stored(small, tmp_path):
    one = small
    learned.save(one, tmp_path / "members")
    again = learned.load(tmp_path / "members")
    for left, right in zip(one.members, again.members, strict=True):
        for name, values in left.state_dict().items():
            assert torch.equal(values, right.state_dict()[name]), name
    assert again.facts == one.facts and not one.facts.get("bundled")
    assert one.facts["packages"]["torch"] == torch.__version__


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ({"simulate": ["perovskit"]}, "Did you mean `perovskite`"),
        ({"simulate": ["cards1"]}, "cannot be trained on this simulation"),
        ({"simulate": []}, "a list of one or more"),
        ({"steps": 0}, "`steps`"),
        ({"members": 2.5}, "a whole number"),
        ({"stepps": 10}, "stepps"),
    ],
)
def test_settings_that_cannot_be_are_refused(given_, words):
    with pytest.raises(UserError) as raised:
        learned.DetectorSettings.of(given_)
    assert words in str(raised.value)


def test_the_name_of_a_detector_follows_its_settings():
    one = learned.DetectorSettings.of({})
    assert one.digest() == learned.DetectorSettings.of(one.as_dict()).digest()
    assert one.digest() != learned.DetectorSettings.of({"seed": 1}).digest()


def test_a_failed_training_shows_at_the_datasets_that_need_it(tmp_path):
    folder = tmp_path / layout.DETECTORS / "0123456789abcdef"
    (folder / "failures").mkdir(parents=True)
    (folder / "logs").mkdir()
    (folder / "logs" / "train_detector.log").write_text("no memory")
    note = {
        "rule": "train_detector",
        "message": "out of memory here",
        "log": "logs/train_detector.log",
    }
    (folder / "failures" / "train_detector.json").write_text(json.dumps(note))
    rows = [
        {"dataset": "one", "models": [], "detector": folder.name},
        {"dataset": "two", "models": []},
    ]
    write_index(tmp_path, rows, [])
    page = (tmp_path / "index.html").read_text()
    assert page.count("out of memory here") == 1
    assert f"one/../.detectors/{folder.name}/logs/train_detector.log" in page


def test_maxima_of_a_map_lie_on_its_sites():
    place = np.array([[10.3, 12.6], [20.0, 30.4], [0.2, 40.0]])
    heat, _ = scenes.target(place, np.zeros(3, int), (48, 64))
    found, score = maxima.peaks(heat)
    order = np.argsort(found[:, 1])
    np.testing.assert_allclose(found[order], place, atol=0.3)
    np.testing.assert_allclose(score, 1, atol=0.2)  # at the edge it is seen mirrored as well


@settings(max_examples=30, deadline=None)
@given(factor=st.floats(0.4, 6), y=st.floats(0.25, 0.75), x=st.floats(0.25, 0.75))
def test_a_spot_lies_where_it_belongs_after_rescaling(factor, y, x):
    side = int(40 * factor) + 20
    place = np.array([y, x]) * (side - 1)
    rows, columns = np.indices((side, side))
    width = 2 * max(factor, 1)
    spot = np.exp(-((rows - place[0]) ** 2 + (columns - place[1]) ** 2) / (2 * width**2))
    shape = (int(side / factor), int(side / factor))
    seen = picture.rescaled(spot, factor, (0, 0), shape)
    at = np.indices(shape)
    centre = np.array([(seen * at[k]).sum() / seen.sum() for k in (0, 1)])
    np.testing.assert_allclose((centre + 0.5) * factor - 0.5, place, atol=0.1 * max(factor, 1))


@settings(max_examples=50, deadline=None)
@given(
    few=st.integers(3, 30),
    specks=st.integers(0, 60),
    unit=st.floats(1e-6, 1e6),
    seed=st.integers(0, 99),
)
def test_atoms_stay_and_much_weaker_specks_go_in_any_unit(few, specks, unit, seed):
    rng = np.random.default_rng(seed)
    atoms = rng.uniform(0.8, 1.2, few)
    height = unit * np.concatenate([atoms, rng.uniform(0, 0.1, specks)])
    assert alike(height)[:few].all() and not alike(height)[few:].any()


def test_single_atoms_know_their_truth():
    image = simulate.make("single-atoms?size=256&dose=5000&support=0.02", seed=3)
    y, x = (np.rint(image[f"truth_{axis}"].values).astype(int) for axis in "yx")
    seen = image["image"].values[0, 0]
    assert 40 < len(y) < 250
    assert np.median(seen[y, x]) > 3 * np.median(seen)
    rough = simulate.make("single-atoms?size=256&dose=5000&support=0.4", seed=3)
    assert rough["truth_y"].equals(image["truth_y"])
    assert rough["image"].values.std() > image["image"].values.std()


def test_contamination_that_belies_the_spacing_does_not_blind_it(trained):
    image = simulate.make("perovskite?size=192&spacing=20&dose=800&ratio=0.35&ratio1=0.35", seed=5)
    frame = image["image"].values[0, 0].astype(float)
    wrong = Scale(36.0, 3.6, True)
    right = Scale(14.1, 3.0, True)
    assert 10 < files.rescale(trained, frame, wrong).spacing < 21
    assert files.rescale(trained, frame, right) == right

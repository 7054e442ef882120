"""The example that drives an instrument measures what it is to, and survives being killed."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from vaescope.explore.target_settings import Target

EXAMPLE = Path(__file__).parents[2] / "examples" / "instrument"
AXIS = np.linspace(0, 4, 20)
COUNT = 24


def module(name: str):
    spec = importlib.util.spec_from_file_location(f"instrument_{name}", EXAMPLE / f"{name}.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture
def url(tmp_path):
    y, x = np.indices((12, 12))
    height = 1 + np.sin(y / 3) * np.cos(x / 4)
    spectra = height[..., None] * np.exp(-((AXIS - 2) ** 2))
    np.savez(tmp_path / "cube.npz", spectra=spectra, energy=AXIS, image=height)
    twin = module("twin")
    served = twin.server(twin.Cube(str(tmp_path / "cube.npz")), 0)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    served.server_close()


class KilledError(Exception):
    """Ends the example where it stands."""


def test_killed_between_any_two_steps_it_goes_on_with_nothing_lost(url, tmp_path, monkeypatch):
    drive = module("drive")
    whole = drive.run(url, tmp_path / "whole", COUNT, Target(), "uncertainty")
    asked, wrote, saved = drive.ask, drive.written, drive.Explorer.save
    measured, killed = [], set()

    def once(step: str, number: int) -> None:
        if number in (2, 9, 21) and (step, number) not in killed:
            killed.add((step, number))
            raise KilledError

    def measuring(address, wanted=None):
        found = asked(address, wanted)
        if wanted is not None:
            measured.append((wanted["y"], wanted["x"]))
            once("measured", len(set(measured)))
        return found

    def writing(file, **arrays):
        wrote(file, **arrays)
        once("written", len(list(file.parent.glob("spectrum-*"))))

    def saving(explorer, file):
        once("learned from", len(explorer.points))
        saved(explorer, file)
        once("saved", len(explorer.points))

    monkeypatch.setattr(drive, "ask", measuring)
    monkeypatch.setattr(drive, "written", writing)
    monkeypatch.setattr(drive.Explorer, "save", saving)
    for _ in range(50):
        try:
            cut = drive.run(url, tmp_path / "cut", COUNT, Target(), "uncertainty")
            break
        except KilledError:
            continue
    assert len(killed) == 12
    np.testing.assert_array_equal(whole.points, cut.points)
    np.testing.assert_allclose(whole.predict(), cut.predict(), atol=1e-8)
    # What was under way is measured again, and nothing else.
    assert len(measured) == COUNT + 3


@pytest.mark.slow
def test_the_process_can_be_killed(url, tmp_path):
    folder = tmp_path / "cut"
    command = [sys.executable, str(EXAMPLE / "drive.py"), url, str(folder), "--spectra", str(COUNT)]
    for until in (3, 14, COUNT):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        if until < COUNT:
            while len(list(folder.glob("spectrum-*"))) < until and process.poll() is None:
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
        assert process.wait(timeout=120) == (0 if until == COUNT else -signal.SIGKILL)
    whole = module("drive").run(url, tmp_path / "whole", COUNT, Target(), "uncertainty")
    for number in range(1, COUNT + 1):
        with np.load(folder / f"spectrum-{number:04d}.npz", allow_pickle=False) as held:
            assert int(held["site"]) in whole.points
    with np.load(folder / "map.npz", allow_pickle=False) as cut:
        np.testing.assert_allclose(cut["mean"].ravel(), whole.predict()[0], atol=1e-6)


def test_spectra_of_another_search_are_not_taken_for_those_of_this_one(url, tmp_path):
    drive = module("drive")
    drive.run(url, tmp_path, 3, Target(), "uncertainty")
    (tmp_path / "explorer.safetensors").unlink()
    with np.load(tmp_path / "spectrum-0002.npz", allow_pickle=False) as held:
        moved = {**held, "site": held["site"] + 1}
    np.savez(tmp_path / "spectrum-0002.npz", allow_pickle=False, **moved)
    with pytest.raises(SystemExit, match="another search"):
        drive.run(url, tmp_path, 3, Target(), "uncertainty")


def test_the_twin_refuses_places_that_are_none(url):
    import urllib.error

    with pytest.raises(urllib.error.HTTPError):
        module("drive").ask(f"{url}/spectrum", {"y": 99, "x": 0})

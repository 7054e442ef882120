"""Progress: what is told, how often, and that nobody's line is spoilt."""

from __future__ import annotations

import io
import json
from contextlib import contextmanager
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaescope import progress, text
from vaescope.workflow import make_plan, summary
from vaescope.workflow.jobs import forget_failures
from vaescope.workflow.terminal import WIPE, JobDisplay

ROOT = Path(__file__).parents[2]


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("tqdm.std.time", made)
    return made


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def free():
    yield True


@contextmanager
def taken():
    yield False


def test_lines_come_soon_and_then_ever_more_rarely(clock: Clock):
    lines: list[str] = []
    with progress.Progress(None, "training", 3600, lines.append) as work:
        for _ in range(3600):
            clock.now += 1
            work.update(words=f"epoch {work.n}")
    assert lines[0] == "training: 0 % (5 of 3600), epoch 4, about 1 h left"
    assert 60 < len(lines) < 70  # a minute apart, at last
    assert lines[-1] == "training: done in 1 h, epoch 3599"


def test_short_work_leaves_no_line(clock: Clock):
    lines: list[str] = []
    with progress.Progress(None, "reading", 10, lines.append) as work:
        for _ in range(10):
            clock.now += 0.4
            work.update()
    assert lines == []


def test_what_was_done_before_says_nothing_of_the_pace(clock: Clock):
    with progress.Progress(None, "training", 1000, lambda line: None) as work:
        work.skip(900)
        clock.now += 10
        assert "left" not in str(work)
        work.update(50)
        assert str(work) == "training: 95 % (950 of 1000), about 10 s left"


@given(st.floats(0, 1e6))
def test_a_time_in_words_is_right_to_one_per_cent(seconds: float):
    size = {"h": 3600, "min": 60, "s": 1}
    words = text.duration(seconds).split()
    said = sum(int(n) * size[unit] for n, unit in zip(words[::2], words[1::2], strict=True))
    assert abs(said - seconds) <= max(0.51, 0.06 * seconds)


def test_of_work_within_work_the_outer_one_shows(clock: Clock):
    said: list[str] = []
    with progress.shown(progress.Lines(said.append)):
        for _ in progress.track("frames", range(4), 4):
            with progress.Progress(None, "tiles", 100) as inner:
                for _ in range(100):
                    clock.now += 1
                    inner.update()
    assert said and all(line.startswith("frames") for line in said)


def test_after_work_that_failed_other_work_shows(clock: Clock):
    said: list[str] = []
    with progress.shown(progress.Lines(said.append)):
        with pytest.raises(ZeroDivisionError), progress.Progress(None, "first", 2) as work:
            work.update(1 // 0)
        with progress.Progress(None, "second", 100) as work:
            for _ in range(100):
                clock.now += 1
                work.update()
    assert said and all(line.startswith("second") for line in said)


def test_what_dask_computes_is_told_chunk_by_chunk(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(progress, "INTERVAL", 0)
    seen: list[tuple[int, int]] = []

    class Seen:
        def update(self, work):
            seen.append((work.n, work.total))

        def end(self, work):
            seen.append((-1, work.total))

    with progress.shown(Seen()), progress.chunks("adding"):
        total = (da.ones((8, 4), chunks=(1, 4)) + 1).sum().compute()
    assert total == 64
    assert [done for done, _ in seen[:-1]] == list(range(1, seen[0][1] + 1))
    assert seen[-1] == (-1, seen[0][1]) and seen[0][1] >= 8


def test_a_bar_leaves_its_line_empty_and_fits_the_window(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "60")
    stream, log = Terminal(), []
    display = JobDisplay("film · train-rvae-0", log.append, stream, free)
    with progress.shown(display), progress.Progress(None, "training 8 members", 100) as work:
        for _ in range(60):
            clock.now += 1
            work.update(words="member 2: epoch 12 of 46, ELBO 531.8 and much more than fits")
        shown = stream.getvalue().split(WIPE)[-1]
        assert "60 %, about 40 s left" in shown
        assert len(shown.rstrip("\r")) <= 59
        assert shown.endswith("\r"), "what Snakemake writes next begins at the left"
        display.say("film: a warning")
        assert stream.getvalue().endswith(f"{WIPE}film: a warning\n")
    assert stream.getvalue().endswith(WIPE)
    assert log, "the log has its lines as well"


def test_a_job_without_the_terminal_shows_no_bar(clock: Clock):
    for stream, lock in ((io.StringIO(), free), (Terminal(), taken)):
        log: list[str] = []
        display = JobDisplay("film", log.append, stream, lock)
        with progress.shown(display), progress.Progress(None, "training", 100) as work:
            for _ in range(100):
                clock.now += 1
                work.update()
        assert stream.getvalue() == ""
        assert log


def test_training_tells_epoch_bound_and_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With the seconds between lines gone, every step gives one."""
    monkeypatch.setattr(progress, "INTERVAL", 0)
    import xarray as xr

    from vaescope import train

    random = np.random.default_rng(0)
    patches = xr.Dataset(
        {"patch": (("site", "channel", "py", "px"), random.random((32, 1, 8, 8), np.float32))}
    )
    said: list[str] = []

    class Every:
        def update(self, work):
            said.append(str(work))

        def end(self, work):
            pass

    with progress.shown(Every()):
        train.fit(
            patches,
            {"variant": "vae", "steps": 45, "batch": 16, "hidden": 8},
            members=[0, 1],
            seed=0,
            out=tmp_path / "out",
            checkpoints=tmp_path / "checkpoints",
            log=lambda text: None,
        )
    assert len(said) == 90
    assert said[-1].startswith(
        "training 2 members: 100 % (90 of 90), member 1: epoch 22 of 22, ELBO "
    )
    assert "left" in said[44] and "member 0: epoch" in said[44]


def plan_of(folder: Path, *datasets: str, **config: object):
    (folder / "config").mkdir(exist_ok=True)
    rows = [f"{name}\tatoms\tsimulate:square" for name in datasets]
    sheet = folder / "config" / "datasets.tsv"
    sheet.write_text("\n".join(["dataset\trecipe\tsource", *rows, "../bad\tatoms\tx.tif"]) + "\n")
    made = make_plan({"datasets": str(sheet), **config}, root=ROOT, here=folder)
    made.results = folder / "results"
    return made


def test_the_end_of_a_run_says_what_is_new_what_failed_and_where_to_look(tmp_path: Path):
    plan = plan_of(tmp_path, "old", "new", "broken", "waiting")
    results = plan.results
    for name in ("old", "new"):
        (results / name).mkdir(parents=True)
        (results / name / "report.html").write_text("page")
    since = (results / "new" / "report.html").stat().st_mtime - 5
    import os

    os.utime(results / "old" / "report.html", (since - 100, since - 100))
    (results / "broken" / "failures").mkdir(parents=True)
    (results / "broken" / "logs").mkdir()
    (results / "broken" / "logs" / "ingest.log").write_text("details")
    note = {"message": "dataset `broken`: the file ends\ntoo soon.", "log": "logs/ingest.log"}
    (results / "broken" / "failures" / "ingest.json").write_text(json.dumps(note))
    lines = summary.closing_words(plan, since=since).splitlines()
    assert "2 of 5 datasets finished, 1 of them in this run" in lines[0]
    assert lines[1] == "2 of 5 datasets failed:"
    assert "../bad" in lines[2]
    assert lines[3] == "  - dataset `broken`: the file ends too soon."
    assert lines[4] == f"    log: {results / 'broken' / 'logs' / 'ingest.log'}"
    assert lines[5] == "Not finished yet: waiting. Run the workflow again to go on."
    assert lines[6:8] == ["New reports:", f"  {results / 'new' / 'report.html'}"]
    assert lines[-1] == f"Results: {results / 'index.html'}"


def test_a_failed_export_stays_told_until_it_is_mended_or_unwanted(tmp_path: Path):
    plan = plan_of(tmp_path, "film", export=["napari"])
    notes = plan.results / "film" / "failures"
    notes.mkdir(parents=True)
    for name in ("export_napari", "export_hyperspy", "train-rvae-0"):
        (notes / f"{name}.json").write_text(json.dumps({"message": name}))
    forget_failures(plan.results / "film")
    assert {note.stem for note in notes.iterdir()} == {"export_napari", "export_hyperspy"}
    summary.forget_unwanted(plan)
    assert {note.stem for note in notes.iterdir()} == {"export_napari"}
    assert "export_napari" in summary.closing_words(plan)
    summary.tidy(plan)
    assert notes.is_dir(), "a failure is not tidied away"
    (notes / "export_napari.json").unlink()
    summary.tidy(plan)
    assert not notes.exists()


@pytest.mark.parametrize(
    ("given", "formats"),
    [
        ("all", ["table", "napari", "hyperspy", "crate"]),
        ("napari", ["napari"]),
        (["crate", "table"], ["table", "crate"]),
        ([], []),
    ],
)
def test_export_takes_a_word_or_a_list(tmp_path: Path, given: object, formats: list[str]):
    assert plan_of(tmp_path, "film", export=given).exports == formats


def test_exports_have_a_default_and_a_misspelt_one_is_told(tmp_path: Path):
    from vaescope.errors import UserError

    assert plan_of(tmp_path, "film").exports == ["table", "crate"]
    with pytest.raises(UserError, match="export") as error:
        plan_of(tmp_path, "film", export="naparri")
    assert "napari" in str(error.value)

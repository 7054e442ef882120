"""What goes wrong outside a job is said in words; its log takes no commands of a terminal."""

import errno
import logging
import os
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaescope.errors import UserError
from vaescope.text import harmless
from vaescope.workflow import job_errors, jobs
from vaescope.workflow.job_log import opened


def raised(first: BaseException, *wrapped: Exception) -> Exception:
    """An error that others wrap, one after the other."""
    error = first
    for outer in wrapped:
        try:
            raise outer from error
        except Exception as caught:
            error = caught
    assert isinstance(error, Exception)
    return error


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "image.zarr"),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        raised(OSError(errno.ENOSPC, "No space left on device"), RuntimeError("cannot write")),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_named_whoever_says_so(error):
    words = str(job_errors.in_words(error))
    assert "no space left for the results" in words and "Make room on the disk" in words


def test_a_folder_that_may_not_be_written_is_named():
    words = str(job_errors.in_words(PermissionError(errno.EACCES, "Permission denied", "/r/one")))
    assert "`/r/one`" in words and "--config results=PATH" in words


def test_too_little_memory_is_named():
    words = str(job_errors.in_words(raised(MemoryError("4 GB"), ValueError("cannot allocate"))))
    assert "too little memory" in words


def test_what_is_not_known_is_unforeseen_and_stays_short(tmp_path):
    error = ValueError("\x1b[31mred\x07 " + "a" * 5000 + "\nsecond line")
    assert job_errors.in_words(error) is None
    words = job_errors.unforeseen(error, "judge", tmp_path / "judge.log")
    assert words.startswith("judge failed unexpectedly (ValueError: [31mred")
    assert len(words) < 600 and words.isprintable()
    own = UserError("wrong")
    assert job_errors.in_words(own) is own


@given(st.text())
def test_harmless_text_keeps_all_that_can_be_seen(text):
    found = harmless(text)
    assert "\x1b" not in found and "\r" not in found and "\u202e" not in found
    assert [c for c in found if c.isprintable()] == [c for c in text if c.isprintable()]
    assert found.count("\n") == text.count("\n")


def test_a_log_takes_no_commands_of_a_terminal(tmp_path):
    path = tmp_path / "job.log"
    with opened(path) as log:
        log.say("reading \x1b]0;title\x07 of \x1b[2J\u202efile")
        logging.getLogger("reader").warning("\x1b[31mred")
        warnings.warn("\x1b[31mwarned", stacklevel=1)
    text = path.read_text()
    assert "reading ]0;title of [2Jfile" in text
    assert "[31mred" in text and "[31mwarned" in text
    assert "\x1b" not in text and "\x07" not in text and "\u202e" not in text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_log_on_a_full_disk_ends_no_job():
    with opened(Path("/dev/full")) as log:
        log.say("a line")
        log.write("another")


def asked(folder: Path, **params: object) -> SimpleNamespace:
    """What Snakemake hands to a script, as far as a job looks at it."""
    log = folder / "results" / "one" / "logs" / "judge.log"
    return SimpleNamespace(
        wildcards={"dataset": "one"},
        rule="judge",
        log=[str(log)],
        params=params,
        threads=1,
        input=[],
        output=[],
    )


def test_a_scheduler_that_does_not_answer_leaves_a_note(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(jobs, "_limit_threads", lambda *_: None)
    monkeypatch.setattr(jobs, "_seldom_look_for_garbage", lambda: None)
    given = asked(tmp_path, dask_scheduler="tcp://127.0.0.1:9")
    with pytest.raises(SystemExit) as ended, jobs.job(given):
        pytest.fail("the body must not run")
    assert ended.value.code == 1
    note = tmp_path / "results" / "one" / "failures" / "judge.json"
    assert "no Dask scheduler answers" in note.read_text()
    assert "Traceback" not in (tmp_path / "results" / "one" / "logs" / "judge.log").read_text()
    assert "dataset `one`: no Dask scheduler answers" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_named_without_a_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "_limit_threads", lambda *_: None)
    monkeypatch.setattr(jobs, "_seldom_look_for_garbage", lambda: None)
    (tmp_path / "results").write_text("a file in the place of the folder")
    with pytest.raises(SystemExit) as ended, jobs.job(asked(tmp_path)):
        pytest.fail("the body must not run")
    assert str(ended.value.code).startswith("dataset `one`: ")


def test_a_damaged_result_is_named_until_it_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "_limit_threads", lambda *_: None)
    monkeypatch.setattr(jobs, "_seldom_look_for_garbage", lambda: None)
    store = tmp_path / "results" / "one" / "facts größe.json"
    note = tmp_path / "results" / "one" / "failures" / "judge.json"

    def make() -> None:
        given = asked(tmp_path)
        given.rule, given.output = "train", [str(store)]
        given.log = [str(tmp_path / "results" / "one" / "logs" / "train.log")]
        with jobs.job(given):
            store.write_text("1")

    make()
    store.write_text("2")
    given = asked(tmp_path)
    given.input = [str(store)]
    with pytest.raises(SystemExit), jobs.job(given):
        pytest.fail("the body must not run")
    assert "not as its job wrote it" in note.read_text()
    make()
    assert not note.exists()
    with jobs.job(given):
        pass

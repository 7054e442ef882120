"""Ctrl-C and SIGTERM end what runs, whatever it waits for, and say so without a traceback."""

import os
import signal
import subprocess
import sys
import time
from threading import Timer
from types import SimpleNamespace

import pytest

from vaescope.models.settings import ModelSettings
from vaescope.train.groups import train_all

JOB = """
import time
from concurrent.futures import ThreadPoolExecutor
from vaescope.workflow.stopping import stoppable

with stoppable():
    print("at work", flush=True)
    {body}
"""
WAITING = {
    "for nothing": "time.sleep(600)",
    "for a pool": "with ThreadPoolExecutor(1) as pool: pool.submit(time.sleep, 600).result()",
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("waiting", WAITING)
def test_a_job_ends_soon_whatever_it_waits_for(number, waiting):
    code = JOB.format(body=WAITING[waiting])
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as job:
        assert job.stdout.readline() == "at work\n"
        for _ in range(3):  # impatient people press more than once
            job.send_signal(number)
            time.sleep(0.05)
        # At its very end Python hands signals back to the system, which ends it without a word.
        assert job.wait(timeout=60) in (130, -number)
        assert job.stderr.read() == ""


def test_an_interrupted_training_leaves_no_thread_behind(request):
    # A shell starts what runs in its background with Ctrl-C ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    ended = []

    class Endless:
        data, settings = [0], ModelSettings(steps=10**6)

        def train(self, group, log, told):
            try:
                for step in range(10**6):
                    told(step, 0.0)
                    time.sleep(0.01)
            finally:
                ended.append(group)

    progress = SimpleNamespace(skip=lambda step: None, update=lambda steps, words: None)
    Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        list(train_all(Endless(), [[0], [1]], 1, print, progress))
    assert ended == [[0]]


SPARED = """
import signal
from vaescope.train import groups

with groups._processes(1, None) as others:
    with groups._spared_interrupts():
        future = others.submit(signal.pthread_sigmask, signal.SIG_BLOCK, [])
    print(sorted(future.result()), sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))
"""


def test_a_process_that_trains_is_spared_interrupts_from_its_first_moment():
    """In a fresh interpreter: the first process started through a helper of Python differs."""
    run = subprocess.run([sys.executable, "-c", SPARED], capture_output=True, text=True, check=True)
    assert run.stdout == f"{[signal.SIGINT]!r} []\n"

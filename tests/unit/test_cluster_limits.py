"""What jobs ask of a cluster, and which requests no node can meet."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaescope.workflow import resources, slurm
from vaescope.workflow.slurm_queue import Waiting, never

SMALL = slurm.NodeLimits(cores=4, memory_mb=8000, minutes=600)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("30", 30),
        ("30:00", 30),
        ("10:00:00", 600),
        ("2-00:00:00", 2880),
        ("1-12", 2160),
        ("1-12:30", 2190),
        ("infinite", math.inf),
        ("UNLIMITED", math.inf),
    ],
)
def test_limits_of_time_are_read_as_slurm_writes_them(text: str, minutes: float):
    assert slurm.minutes(text) == minutes


@pytest.mark.parametrize(
    ("text", "mb"), [("1200M", 1200), ("4G", 4096), ("1.50G", 1536), ("2T", 2 * 1024**2), ("0", 0)]
)
def test_sizes_are_read_as_slurm_writes_them(text: str, mb: float):
    assert slurm.megabytes(text) == mb


@given(
    first=st.floats(1, 1e5), most=st.floats(1, 1e6), attempt=st.integers(1, 5), per=st.floats(0, 9)
)
def test_a_job_tried_again_asks_for_more_until_it_has_what_a_node_has(
    first: float, most: float, attempt: int, per: float
):
    asked = [resources.memory_mb(first, per, 1.0, n, most) for n in range(1, attempt + 1)]
    assert asked == sorted(asked)
    if asked[0] <= most:
        assert all(each <= most for each in asked)
        assert asked[-1] >= min(2 ** (attempt - 1) * asked[0] / 2, math.floor(most))
    else:
        assert all(each > most for each in asked)


def waiting(reason: str = "Priority", **asked: float) -> Waiting:
    given = {"cores": 1, "memory_mb": 100, "minutes": 10} | asked
    return Waiting(
        number="7",
        reason=reason,
        comment="rule_train_wildcards_one_rvae_0",
        partition="short",
        **given,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        ({"cores": 5}, "--set-threads train=4"),
        ({"memory_mb": 9000}, "--set-resources train:mem_mb=8000"),
        ({"minutes": 700}, "--set-resources train:runtime=600"),
    ],
)
def test_what_no_node_has_is_named_with_what_to_ask_for(asked: dict[str, float], remedy: str):
    why = never(waiting(**asked), {"short": SMALL})
    assert why and remedy in why and "`short`" in why


def test_of_a_group_no_rule_is_named():
    """Each of its jobs has a rule of its own."""
    job = Waiting("7", "None", "rule_prepare_extract_patches_ingest", 9, 100, 10, "short")
    why = never(job, {"short": SMALL})
    assert why and "--set-threads RULE=4" in why


@pytest.mark.parametrize(
    "reason",
    [
        "None",
        "Resources",
        "Priority",
        "ReqNodeNotAvail, UnavailableNodes:n1",
        "PartitionConfig",
        "JobHeldUser",
        "QOSMaxJobsPerUserLimit",
        "QOSGrpCpuLimit",
        "AssocGrpCPUMinutesLimit",
        "AssocMaxJobsLimit",
        "BeginTime",
        "Licenses",
    ],
)
def test_a_job_that_may_start_later_is_left_alone(reason: str):
    assert never(waiting(reason), {"short": SMALL}) is None


@pytest.mark.parametrize(
    "reason",
    [
        "BadConstraints",
        "PartitionTimeLimit",
        "QOSMaxCpuPerJobLimit",
        "AssocMaxCpuPerJobLimit",
        "QOSMaxWallDurationPerJobLimit",
        "AssocMaxWallDurationPerJobLimit",
        "QOSMaxMemoryPerJob",
        "AccountNotAllowed",
    ],
)
def test_a_limit_of_one_job_is_named_by_its_code(reason: str):
    why = never(waiting(reason), {"short": SMALL})
    assert why and reason in why


def test_gpus_are_counted_as_slurm_writes_them(monkeypatch: pytest.MonkeyPatch):
    lines = (
        "cpu*|16|64000|infinite|(null)",
        "gpu|64|512000|2-00:00:00|gpu:a100:4(S:0-1),gpu:mig:2,lustre:1",
        "gpu|32|1024000|2-00:00:00|gpu:2",
    )
    monkeypatch.setattr(slurm, "ask", lambda *_: "\n".join(lines))
    found = slurm.partitions()
    assert found["gpu"] == slurm.NodeLimits(64, 1024000, 2880, 6)
    assert found[""] == found["cpu"] == slurm.NodeLimits(16, 64000, math.inf, 0)

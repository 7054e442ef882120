"""What a job imports: each is a process of its own and waits for all of it."""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np

from vaescope import store

SCRIPTS = sorted((Path(__file__).parents[2] / "scripts").glob("*.py"))


def imported(code: str, *names: str) -> list[str]:
    """Which of these modules are there after some code has run."""
    code += f"\nimport sys\nprint('imported', *[name for name in {names} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ended.stdout.splitlines()[-1].split()[1:]


def test_scripts_begin_without_what_they_may_not_need():
    # In one process, which has all that any of them imports.
    heavy = ("torch", "sklearn", "umap", "matplotlib", "scipy.optimize", "scipy.stats")
    code = ["import sys", f"heavy = {heavy}"]
    for script in SCRIPTS:
        lines = [ast.unparse(node) for node in ast.parse(script.read_text()).body]
        code += [line for line in lines if line.startswith(("import", "from"))]
        code.append(f"assert not set(heavy) & set(sys.modules), {script.stem!r}")
    assert not imported("\n".join(code), *heavy)


def test_what_is_no_model_needs_no_torch():
    code = "from vaescope.scores.comparison import mask; mask(9, 9, True)"
    assert not imported(f"{code}\nimport vaescope.baselines", "torch")


def test_maps_begin_without_statistics_and_learners():
    code = "import vaescope.ensemble.mapping, vaescope.train.groups"
    assert not imported(code, "sklearn", "scipy.stats", "scipy.optimize")


def test_training_does_not_import_the_compiler_of_torch():
    code = """
import torch
from vaescope.train.adam import Adam
weight = torch.ones(3, requires_grad=True)
optimiser = Adam([{"params": [weight], "lr": 0.1}], betas=(0.9, 0.99))
weight.sum().backward()
optimiser.step()
"""
    assert not imported(code, "torch._dynamo", "torch._inductor", "sympy")


def test_a_job_imports_dask_without_the_compiler_that_sparse_arrays_need(tmp_path: Path):
    code = f"""
from vaescope.workflow import jobs
jobs._import_dask_alone()
import dask.array as da
import xarray as xr
from vaescope import store
store.write(xr.Dataset({{"x": ("site", da.ones(3))}}), {str(tmp_path / "a.zarr")!r})
assert store.open({str(tmp_path / "a.zarr")!r})["x"].sum() == 3
"""
    unused = ("sparse", "numba", "pint", "scipy.fftpack", "scipy.sparse")
    assert imported(code, "dask.array", *unused) == ["dask.array"]
    later = "\nimport sparse, pint, scipy.fftpack, scipy.sparse"
    assert imported(code + later, *unused) == list(unused)


def test_index_and_crate_are_written_without_arrays():
    code = """
from vaescope.workflow import job, record
import vaescope.exchange.crate
from vaescope.report import write_index
write_index
"""
    assert not imported(code, "numpy", "xarray", "pandas", "zarr", "dask", "scipy")


def test_a_job_does_not_import_a_cluster_that_it_was_not_given():
    code = """
from vaescope.workflow import jobs
jobs._limit_threads(1)
jobs._choose_scheduler(None)
import dask.array as da
assert da.ones(3).sum().compute() == 3
"""
    assert not imported(code, "distributed")


def test_how_a_store_was_made_is_read_without_its_arrays(tmp_path: Path):
    import xarray as xr

    folder = tmp_path / "a.zarr"
    made = xr.Dataset({"x": ("site", np.ones(3))}, attrs={"names": ["a", "b"], "size": 2.5})
    store.write(made, folder, provenance={"seed": 4})
    read = store.attributes(folder)
    assert read == store.open(folder).attrs
    assert store.provenance(folder)["seed"] == 4
    code = f"from vaescope import store; store.attributes({str(folder)!r})"
    assert not imported(code, "numpy", "xarray", "zarr", "dask")

"""Training on a GPU: one operation after the other and recorded, exact and with rounded factors.

    python benchmarks/speed/gpu.py [--size SHARE]

Steps of one member and of eight, on Cards 4 (48 × 48 pixels, 3000 times SHARE), and the bound and
the share of angles within 10 degrees that a whole training comes to. Prints a table and writes it
to ``benchmarks/results/gpu.csv``; the name of the GPU is in it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from duels import BEST, SAME, cards  # noqa: E402
from ours import as_patches  # noqa: E402
from rows import replace  # noqa: E402

TABLE = HERE.parent / "results" / "gpu.csv"
MODELS = {
    "pictures": BEST | {"prototypes": 0},
    "prototypes": BEST,
    "coordinates": SAME | {"steps": 300},
}
WAYS = {
    "operation by operation, exact": ("ieee", False),
    "operation by operation, rounded": ("tf32", False),
    "recorded, exact": ("ieee", True),
    "recorded, rounded": ("tf32", True),
}


def trained(cut: Any, settings: dict[str, Any], members: int, way: str) -> dict[str, Any]:
    """Milliseconds of a step, seconds of the training and its bound."""
    import torch

    from vaescope.models.settings import ModelSettings
    from vaescope.train import training_data
    from vaescope.train.fitting import Fitting

    precision, recorded = WAYS[way]
    torch.backends.cuda.matmul.fp32_precision = precision
    torch.backends.cudnn.conv.fp32_precision = precision  # type: ignore[attr-defined]
    device = torch.device("cuda")
    chosen = ModelSettings.from_recipe(settings)
    began = time.perf_counter()
    data = training_data(cut, chosen, 0)
    fitting = Fitting(data, chosen, members=list(range(members)), seed=0, device=device, key="")
    if not recorded:
        fitting.replay = None
    fitting.run(None, lambda text: None)
    torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    late = [row["seconds"] for row in fitting.history.rows if row["member"] == 0]
    half = len(late) // 2
    bounds = [row["elbo"] for row in fitting.history.last]
    # Of the second half, where a few turns are followed.
    step = (late[-1] - late[half]) / ((len(late) - 1 - half) * 20)
    return {
        "step_ms": f"{1e3 * step:.3g}",
        "training_s": f"{seconds:.3g}",
        "bound": f"{sum(bounds) / len(bounds):.2f}",
    }


def main() -> None:
    """Train in every way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=float, default=1.0, help="share of the data")
    given = parser.parse_args()
    import torch

    if not torch.cuda.is_available():
        raise SystemExit("there is no GPU here")
    rows = []
    with tempfile.TemporaryDirectory() as place:
        cards(Path(place), given.size)
        cut = as_patches(Path(place))
        trained(cut, MODELS["pictures"] | {"steps": 100}, 1, "recorded, rounded")  # what is set up
        for model, settings in MODELS.items():
            for members in (1, 8):
                for way in WAYS if model != "prototypes" else list(WAYS)[-1:]:
                    row = {"model": model, "members": members, "way": way}
                    row |= trained(cut, settings, members, way)
                    rows.append(row | {"gpu": torch.cuda.get_device_name()})
                    print("  ".join(str(value) for value in rows[-1].values()), flush=True)
    replace(TABLE, rows, "model", list(MODELS))


if __name__ == "__main__":
    main()

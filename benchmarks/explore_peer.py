"""Deep kernel learning of AtomAI; run by ``explore_active.py`` in an environment that has it.

    PYTHON explore_peer.py CASES.npz FOUND.npz [CYCLES]

CASES holds for every case K ``windows_K`` (site, pixel), ``known_K`` (n,) rows that were measured
and ``values_K`` (n,). FOUND gets ``mean_K`` and ``sd_K`` (site,) of what would be measured, and
``seconds_K``. ``dklGPR`` has the settings of its documentation: two embedding dimensions, a rate of
0.01 and 200 cycles. One thread.
"""

import sys
import time
import warnings
from typing import Any

import numpy as np
import torch


def main() -> None:
    """Fit all cases."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    vars(np).setdefault("product", np.prod)  # left NumPy with 2.0, and AtomAI calls it
    import atomai

    cycles = int(sys.argv[3]) if len(sys.argv) > 3 else 200
    found: dict[str, Any] = {}
    with np.load(sys.argv[1], allow_pickle=False) as cases:
        for name in [key[8:] for key in cases.files if key.startswith("windows_")]:
            windows, known = cases[f"windows_{name}"], cases[f"known_{name}"]
            began = time.process_time()
            model = atomai.models.dklGPR(windows.shape[1], embedim=2, precision="double", seed=0)
            model.fit(
                windows[known],
                cases[f"values_{name}"],
                training_cycles=cycles,
                lr=0.01,
                print_loss=10**6,
            )
            mean, variance = model.predict(windows, batch_size=len(windows))
            found[f"mean_{name}"] = np.ravel(mean)
            found[f"sd_{name}"] = np.sqrt(np.ravel(variance))
            found[f"seconds_{name}"] = time.process_time() - began
            print(name, round(float(found[f"seconds_{name}"]), 1), flush=True)
            np.savez(sys.argv[2], allow_pickle=False, **found)


if __name__ == "__main__":
    main()

"""Rare dopants in shaded layers, found as modes without labels, over seeds.

    python benchmarks/dopants.py [CASE …] [--seeds 6 7 8] [--members 3]

The layers are shaded (thickness) and contaminated, doses are moderate. Cases that end in `-before`
take the same image by the model without a photometric pose, with one noise for all pixels and two
latents. A dopant counts as found in a mode that most of its sites belong to.
"""

from __future__ import annotations

from dataclasses import replace

from simulated import Case, run

GOALS = {"defect_f1_dopant_of_modes": 0.95, "modes_found": None, "predictive_p_below_0.05": None}
LAYERS = {
    "bright-0.5": "mos2?dopants=0.005&dopant_strength=2&dose=1000&size=1024",
    "bright-1": "mos2?dopants=0.01&dopant_strength=2&dose=1000&size=768",
    "bright-5": "mos2?dopants=0.05&dopant_strength=2&dose=500",
    "dim-2": "mos2?dopants=0.02&dose=2000&size=768",
    "wse2-2": "wse2?dopants=0.02&dose=1000&size=768",
}
SEEN = "&vacancies=0&divacancies=0&shading=0.2&contamination=0.1&spacing=17&width=2.3"
BEFORE = {"gain": False, "background": False, "noise": "constant", "latent": 2}
CASES = {name: Case(layer + SEEN, "atoms", "rvae", GOALS) for name, layer in LAYERS.items()}
CASES |= {f"{name}-before": replace(case, settings=BEFORE) for name, case in CASES.items()}

if __name__ == "__main__":
    run(__doc__.splitlines()[0], CASES, "dopants.csv", members=3)

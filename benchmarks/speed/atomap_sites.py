"""Find and refine sites with atomap, in its own environment: IMAGE.npy PLACES.npy."""

import json
import sys
import time
import warnings

import numpy as np

warnings.simplefilter("ignore")
SEPARATION = 8  # px, less than half the spacing: what finds all of them here


def main(image: str, places: str) -> None:
    """Print seconds, F1 and root mean square error (px)."""
    import atomap.api as am
    import hyperspy.api as hs
    from scipy.spatial import cKDTree

    pixels, truth = np.load(image).astype(float), np.load(places)
    began = time.perf_counter()
    found = am.get_atom_positions(hs.signals.Signal2D(pixels), SEPARATION)
    sublattice = am.Sublattice(found, image=pixels)
    sublattice.find_nearest_neighbors()
    sublattice.refine_atom_positions_using_center_of_mass(show_progressbar=False)
    sublattice.refine_atom_positions_using_2d_gaussian(show_progressbar=False)
    seconds = time.perf_counter() - began
    refined = np.stack([sublattice.y_position, sublattice.x_position], 1)
    far, near = cKDTree(truth).query(refined, distance_upper_bound=5)
    hit = np.isfinite(far)
    right = len(np.unique(near[hit]))
    said = {
        "seconds": seconds,
        "found": len(refined),
        "f1": 2 * right / (len(refined) + len(truth)),
        "rmse": float(np.sqrt((far[hit] ** 2).mean() / 2)),
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])

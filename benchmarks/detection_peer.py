"""What atomap finds in an image; run by ``detection.py`` in an environment that has atomap.

    PYTHON detection_peer.py IMAGES.npz FOUND.npz

IMAGES holds images (height, width) by name, and ``separation NAME`` (px) for each; FOUND gets the
positions (site, 2) as (y, x) for every name and every threshold of ``THRESHOLDS``.
"""

import sys
import warnings

import numpy as np

THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)  # `threshold_rel`; 0.02 is atomap's default


def main(source: str, target: str) -> None:
    """Find atoms by ``get_atom_positions`` and write them."""
    warnings.simplefilter("ignore")
    import atomap.api as am
    import hyperspy.api as hs

    found = {}
    with np.load(source, allow_pickle=False) as images:
        for name in images.files:
            if name.startswith("separation "):
                continue
            separation = max(int(images[f"separation {name}"]), 1)
            signal = hs.signals.Signal2D(images[name].astype(float))
            for threshold in THRESHOLDS:
                try:
                    places = am.get_atom_positions(signal, separation, threshold_rel=threshold)
                except Exception:  # it finds nothing and stumbles over that
                    places = np.zeros((0, 2))
                places = np.asarray(places, float).reshape(-1, 2)
                found[f"{name} at {threshold}"] = places[:, ::-1]
    np.savez(target, allow_pickle=False, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])

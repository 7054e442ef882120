"""The peers' environments: made once, each apart from ours and from the others, all pinned."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "build" / "peers"

# pyroVED and AtomAI import torchvision for pictures of their own. Where there is none of the same
# build as torch, what they import is enough.
STAND_IN = {
    "__init__.py": "from torchvision import datasets, models, transforms, utils\n",
    "datasets.py": "MNIST = None\n",
    "models.py": "mobilenet_v2 = resnet50 = vgg16 = None\n",
    "transforms.py": "",
    "utils.py": "def make_grid(*_, **__):\n    raise RuntimeError('a stand-in for torchvision')\n",
}


def python_of(peer: str, folder: Path = FOLDER) -> Path:
    """The Python of a peer's environment, which is made from ``requirements/PEER.txt`` if need be;
    where the variable ``PEER_PYTHON`` names one that has all peers, that one.

    Raises
    ------
    SystemExit : it cannot be made; pip's own words come first.
    """
    if given := os.environ.get("PEER_PYTHON"):
        return Path(given)
    home = folder / peer
    python = home / "bin" / "python"
    if (home / "ready").exists():
        return python
    wanted = HERE / "requirements" / f"{peer}.txt"
    print(f"making the environment of {peer} in {home}", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*install, "--no-deps", "--requirement", str(wanted)])
    if done.returncode:
        raise SystemExit(f"the environment of {peer} cannot be made from {wanted}")
    if subprocess.run([python, "-c", "import torchvision"], stderr=subprocess.DEVNULL).returncode:
        _stand_in(home)
    (home / "ready").touch()
    return python


def _stand_in(home: Path) -> None:
    place = next(home.glob("lib/python*/site-packages")) / "torchvision"
    place.mkdir(exist_ok=True)
    for name, text in STAND_IN.items():
        (place / name).write_text(text)

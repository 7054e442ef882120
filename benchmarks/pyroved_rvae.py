"""Train pyroVED's rVAE on patches; run by ``gold_peer.py`` in the peer's own environment.

python pyroved_rvae.py PATCHES.npy ANGLES.npy EPOCHS SEED
"""

import sys

import numpy as np
import pyroved
import torch


def main() -> None:
    """patches (site, side, side) from 0 to 1 -> angles (site,) in radians."""
    source, target, epochs, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(1)
    patches = torch.from_numpy(np.load(source))
    model = pyroved.models.iVAE(
        tuple(patches.shape[1:]), latent_dim=2, invariances=["r", "t"], seed=seed
    )
    trainer = pyroved.trainers.SVItrainer(model, seed=seed)
    loader = pyroved.utils.init_dataloader(patches, batch_size=50)
    for _ in range(epochs):
        trainer.step(loader)
    mean, _ = model.encode(patches)
    np.save(target, mean[:, 0].numpy())  # angle, two offsets, content


if __name__ == "__main__":
    main()

"""Terms of a user's own for ``physics.py``, as ``physics_loss`` takes them."""


def inversion(reconstruction, latents):
    """Every site is a centre of inversion: a patch is the same after a rotation by 180°."""
    apart = reconstruction - reconstruction.flip(-1, -2)
    return WEIGHT * apart.square().sum((1, 2, 3))


def same_total(reconstruction, latents):
    """All patches hold the same number of electrons, as if the specimen were equally thick."""
    total = reconstruction.mean((1, 2, 3))
    return 0.5 * ((total - total.mean().detach()) / SPREAD) ** 2


WEIGHT = 10.0  # nats per squared difference, in units of the normalised signal
SPREAD = 0.003  # by how much the means of normalised patches may differ

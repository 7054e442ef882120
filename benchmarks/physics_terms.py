"""Terms of a user's own for ``physics.py``, as ``physics_loss`` takes them."""


def no_finer_than_the_probe(reconstruction, latents):
    """Nothing in a picture is finer than the probe: differences of second order are small."""
    across = reconstruction.diff(n=2, dim=-1).square().sum((1, 2, 3))
    down = reconstruction.diff(n=2, dim=-2).square().sum((1, 2, 3))
    return WEIGHT * (across + down)


def same_total(reconstruction, latents):
    """All patches hold the same number of electrons, as if the specimen were equally thick."""
    total = reconstruction.mean((1, 2, 3))
    return 0.5 * ((total - TOTAL) / SPREAD) ** 2


WEIGHT = 10.0  # nats per squared difference of second order, in units of the normalised signal
TOTAL, SPREAD = 0.35, 0.003  # mean of a normalised patch, and by how much it may differ

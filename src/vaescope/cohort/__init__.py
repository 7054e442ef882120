"""Groups of datasets that share models: one scale of patches, one training, one latent space."""

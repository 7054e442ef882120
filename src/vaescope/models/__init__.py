"""One family of generative models; named variants are rows of ``zoo.VARIANTS``."""

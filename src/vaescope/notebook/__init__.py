"""The models in a notebook: fit, encode, decode, sample, traverse, save and load, without a recipe.

    from vaescope import Model, load
    model = Model("jrvae", classes=4, steps=600).fit(images)
    found = model.encode(images)      # found.content, found.angle, found.class_probability, …
    model.save("cards.safetensors")

The same code as the workflow's, on arrays in memory.
"""

from vaescope.notebook.arrays import as_patches
from vaescope.notebook.model import Model, load

__all__ = ["Model", "as_patches", "load"]

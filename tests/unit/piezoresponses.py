"""Amplitudes and phases of domains, and the files that hold them."""

import json

import h5py
import numpy as np
from scipy.ndimage import gaussian_filter

SIDE = 96


def domains(share: float, seed: int = 0, side: int = SIDE) -> np.ndarray:
    """(side, side) random domains, +1 on ``share`` of the area and -1 elsewhere, with walls."""
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), side / 12)
    state = np.where(field < np.quantile(field, share), 1.0, -1.0) if share < 1 else field * 0 + 1
    return gaussian_filter(state, 1.5)


def noise(shape, sd: float, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    return sd * (random.normal(size=shape) + 1j * random.normal(size=shape))


def turn(angle):
    return np.exp(1j * angle)


def away(one, other):
    """Between two angles, in rad."""
    return abs(np.angle(turn(one - other)))


def made(image):
    return json.loads(image.attrs["piezoresponse"])


def frames_of(image, response=0):
    return made(image)["responses"][response]["frames"]


def plane(image, name, frame=0):
    return image["image"].sel(channel=name).values[frame]


def save(path, response, *, wrap=0.0, unit="rad", **more):
    """An npz of amplitude and phase, wrapped at any angle."""
    phase = np.angle(response * turn(-wrap)) + wrap
    phase = np.degrees(phase) if unit == "deg" else phase
    np.savez(path, amplitude=abs(response), phase=phase, **more)
    return path


def nsid(path, channels, metadata):
    """A pyNSID file of images (x, y) by name: (values (y, x), unit)."""
    with h5py.File(path, "w") as file:
        for k, (name, (values, unit)) in enumerate(channels.items()):
            data = file.create_dataset(
                f"Measurement_000/Channel_{k:03}/{name}/{name}", data=values.T
            )
            data.attrs.update(main_data_name=name, quantity=name, units=unit)
            for axis, letter in enumerate("xy"):
                places = np.arange(values.shape[1 - axis]) * 1e-8
                scale = data.parent.create_dataset(letter, data=places)
                scale.attrs.update(dimension_type="SPATIAL", units="m", quantity=letter)
                scale.make_scale(letter)
                data.dims[axis].label = letter
                data.dims[axis].attach_scale(scale)
            group = data.parent.create_group("original_metadata")
            group.attrs.update(metadata)
    return path


def channels_of(response, height):
    """As Asylum writes them, the second pass with its phase in m and of other domains."""
    other = np.roll(response, 31, 0)
    return {
        "HeightRetrace": (height, "m"),
        "AmplitudeRetrace": (abs(response), "m"),
        "NapAmplitudeRetrace": (abs(other), "m"),
        "PhaseRetrace": (np.degrees(np.angle(response * turn(-1))) + 57.3, "m"),
        "NapPhaseRetrace": (np.degrees(np.angle(other)), "m"),
    }

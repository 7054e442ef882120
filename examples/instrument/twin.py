"""A digital twin of an instrument, over HTTP: an image at once, spectra one by one.

    python twin.py CUBE.npz [--port 8731] [--seconds 0]
    python twin.py BEPS.h5 --dtmicroscope [--port 8731]

CUBE holds ``spectra`` (y, x, energy), ``energy`` (energy,) and perhaps ``image`` (y, x). With
``--dtmicroscope`` the file is one of the data of DTMicroscope (https://github.com/pycroscopy/
DTMicroscope), whose ``AFM_Microscope`` then goes to a place and gives its spectrum; run it in an
environment that has that package, with SciFiReaders and sidpy. Where there is no image, it is the
response before the first voltage, which an instrument scans in one go.

``GET /image`` gives ``image`` (y, x). ``POST /spectrum`` with ``y`` and ``x``, in pixels, gives
``axis`` and ``spectrum``, after so many ``--seconds`` as a measurement takes. Nothing but this file
need be replaced for an instrument of your own.
"""

from __future__ import annotations

import argparse
import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np


class Cube:
    """An instrument that has measured everything before."""

    def __init__(self, file: str) -> None:
        with np.load(file, allow_pickle=False) as held:
            self.spectra = np.asarray(held["spectra"], float)
            energy = np.arange(self.spectra.shape[2]) if "energy" not in held else held["energy"]
            self.axis = np.asarray(energy, float)
            given = held["image"] if "image" in held else self.spectra[..., 0]
            self.image = np.asarray(given, float)

    def spectrum(self, y: int, x: int) -> np.ndarray:
        return self.spectra[y, x]


class Twin:
    """DTMicroscope's atomic force microscope."""

    def __init__(self, file: str) -> None:
        from DTMicroscope.base.afm import AFM_Microscope

        self.microscope = AFM_Microscope(data_path=file)
        self.microscope.setup_microscope(data_source="Compound_Dataset_1")
        held = next(iter(self.microscope.dataset.values()))
        self.image = np.asarray(held[:, :, 0], float)
        self.axis = np.asarray(self._measured(0, 0)[0], float)

    def _measured(self, y: int, x: int) -> Any:
        twin = self.microscope  # its first axis is called x
        twin.go_to(twin.x_coords[y], twin.y_coords[x])
        return twin.get_spectrum()

    def spectrum(self, y: int, x: int) -> np.ndarray:
        return np.asarray(self._measured(y, x)[1], float)


def server(instrument: Cube | Twin, port: int, seconds: float = 0.0) -> ThreadingHTTPServer:
    """A server on this machine alone that drives an instrument; start it by ``serve_forever``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/image":
                self.answer({"image": instrument.image.tolist()})
            else:
                self.send_error(404)

        def do_POST(self) -> None:
            try:
                wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                y, x = int(wanted["y"]), int(wanted["x"])
                height, width = instrument.image.shape
                if self.path != "/spectrum" or not (0 <= y < height and 0 <= x < width):
                    raise ValueError("no such place")
            except (KeyError, TypeError, ValueError) as error:
                self.send_error(400, str(error))
                return
            time.sleep(seconds)
            found = instrument.spectrum(y, x).tolist()
            self.answer({"axis": instrument.axis.tolist(), "spectrum": found})

        def answer(self, found: dict[str, Any]) -> None:
            body = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("--dtmicroscope", action="store_true")
    parser.add_argument("--port", type=int, default=8731)
    parser.add_argument("--seconds", type=float, default=0.0)
    given = parser.parse_args()
    instrument = Twin(given.file) if given.dtmicroscope else Cube(given.file)
    serving = server(instrument, given.port, given.seconds)
    print(f"http://127.0.0.1:{serving.server_port}", flush=True)
    serving.serve_forever()


if __name__ == "__main__":
    main()

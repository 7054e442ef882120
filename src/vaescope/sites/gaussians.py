"""The pixels around sites, and the least squares of the Gaussians in them."""

from __future__ import annotations

import numpy as np

from vaescope.sites import wide

_BATCH = 128  # sites whose Jacobians (pixels × 5) are held at the same time: they stay in cache
# Prior standard deviation of ln(width) about the median of all sites: wide enough to leave a well
# seen site alone, tight enough that a barely seen one does not trade width with background.
_WIDTH_SPREAD = 0.3
_CORRELATED = 0.05  # correlation of residuals below which noise counts as white
_INDEPENDENT = 15.0  # pixels of a window, at least, that count as independent
_CORRELATION_SITES = 300  # windows from which the correlation of the noise is estimated
_NOISE_PIXELS = 200_000  # from which the variance of a pixel is estimated
_FLOOR = np.finfo(float).tiny


class PixelWindows:
    """The pixels around every start: data, coordinates and which of them were measured."""

    def __init__(
        self,
        image: np.ndarray,
        start: np.ndarray,
        radius: float,
        measured: np.ndarray | None = None,
    ) -> None:
        height, width = image.shape
        reach = int(np.ceil(radius))
        offset = np.arange(-reach, reach + 1)
        dy, dx = np.meshgrid(offset, offset, indexing="ij")
        disc = dy**2 + dx**2 <= radius**2 + 1
        self.offset = dy[disc].tolist(), dx[disc].tolist()
        centre = np.rint(start).astype(int)
        self.y = centre[:, 0, None] + dy[disc][None, :]  # (site, pixel)
        self.x = centre[:, 1, None] + dx[disc][None, :]
        self.inside = (self.y >= 0) & (self.y < height) & (self.x >= 0) & (self.x < width)
        self.flat = np.clip(self.y, 0, height - 1) * width + np.clip(self.x, 0, width - 1)
        if measured is not None:
            self.inside &= measured.ravel()[self.flat]
        self.data = self.raw = image.ravel()[self.flat]
        self.start = start
        self._centre, self._square = centre, radius**2 + 1
        # No pixel is more certain than one at the dark end of the image.
        self.low = float(np.percentile(self.data[self.inside], 2)) if self.inside.any() else 0.0

    def covers(self, sites: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Whether pixels (site, pixel) lie in the windows of sites, (site, pixel)."""
        centre = self._centre[sites]
        return np.asarray((y - centre[:, :1]) ** 2 + (x - centre[:, 1:]) ** 2 <= self._square)

    def first_guess(self, width: float) -> np.ndarray:
        """Start of (y, x, amplitude, width, background), (site, 5)."""
        low, high = np.percentile(self.data, [15, 95], axis=1)
        cut = ~self.inside.all(axis=1)  # by the edge of the image or of what was measured
        if cut.any():
            seen = np.where(self.inside[cut], self.data[cut], np.nan)
            low[cut], high[cut] = np.nanpercentile(seen, [15, 95], axis=1)
        amplitude = np.maximum(high - low, _FLOOR)
        return np.column_stack([self.start, amplitude, np.full(len(low), width), low])

    def tilt(self, rest: np.ndarray, theta: np.ndarray, spacing: float, border: int) -> None:
        """Take the slope of the background from the data of every window.

        ``rest`` is what no Gaussian explains; its slope at a site, smoothed over a spacing, is that
        of the background there. Slopes fitted to each window alone would cost precision. A
        ``border`` of ``rest`` (px) does not count.
        """
        slope_y, slope_x = wide.slopes(rest, theta[:, :2].T, spacing, border)
        plane = slope_y[:, None] * (self.y - theta[:, 0, None])
        plane += slope_x[:, None] * (self.x - theta[:, 1, None])
        self.data = self.raw - plane

    def _residual(
        self, theta: np.ndarray, model: np.ndarray, part: slice
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Residual, own signal, offsets and shape in the windows of a batch, (site, pixel)."""
        y, x, amplitude, width = (theta[part, k, None] for k in range(4))
        dy, dx = self.y[part] - y, self.x[part] - x
        square = dy**2 + dx**2
        shape = np.where(square <= (4.0 * width) ** 2, np.exp(-square / (2 * width**2)), 0.0)
        neighbours = model.ravel()[self.flat[part]] - amplitude * shape
        own = self.data[part] - neighbours
        return own - amplitude * shape - theta[part, 4, None], own, dy, dx, shape

    def _weights(
        self, theta: np.ndarray, model: np.ndarray, variance: np.ndarray, part: slice
    ) -> np.ndarray:
        signal = model.ravel()[self.flat[part]] + theta[part, 4, None]
        power = variance[0] + variance[1] * np.maximum(signal, self.low)
        return np.where(self.inside[part], 1 / np.maximum(power, variance[2]), 0.0)

    def _normal(
        self,
        theta: np.ndarray,
        model: np.ndarray,
        variance: np.ndarray,
        typical: float,
        part: slice,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Normal matrix (site, 5, 5), gradient (site, 5), cost (site,), and for every pixel the
        weight and the data without neighbours, (site, pixel)."""
        residual, own, dy, dx, shape = self._residual(theta, model, part)
        weight = self._weights(theta, model, variance, part)
        amplitude, width = theta[part, 2, None], theta[part, 3, None]
        slope = (amplitude / width**2) * shape
        jacobian = np.empty((len(shape), 5, shape.shape[1]))
        np.multiply(slope, dy, out=jacobian[:, 0])
        np.multiply(slope, dx, out=jacobian[:, 1])
        jacobian[:, 2] = shape
        np.multiply(slope, (dy**2 + dx**2) / width, out=jacobian[:, 3])
        jacobian[:, 4] = 1.0
        weighted = jacobian * weight[:, None, :]
        normal = weighted @ jacobian.transpose(0, 2, 1)
        gradient = (weighted @ residual[:, :, None])[..., 0]
        # The prior of the width, in the form of one more measurement of it.
        width = theta[part, 3]
        deviation = np.log(width / typical) / _WIDTH_SPREAD
        normal[:, 3, 3] += 1 / (_WIDTH_SPREAD * width) ** 2
        gradient[:, 3] -= deviation / (_WIDTH_SPREAD * width)
        cost = (weight * residual**2).sum(axis=1) + deviation**2
        return normal, gradient, cost, weight, own

    def step(
        self,
        theta: np.ndarray,
        model: np.ndarray,
        variance: np.ndarray,
        typical: float,
        damping: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """One damped Gauss–Newton step for every site; steps that raise the cost are not taken."""
        new, new_damping = theta.copy(), damping.copy()
        for part in _batches(len(theta)):
            normal, gradient, cost, weight, own = self._normal(
                theta, model, variance, typical, part
            )
            diagonal = np.einsum("sii->si", normal)
            scale = 1 / np.sqrt(np.maximum(diagonal, _FLOOR))
            scaled = normal * scale[:, :, None] * scale[:, None, :]
            scaled += (damping[part, None, None] + 1e-9) * np.eye(5)
            move = np.linalg.solve(scaled, (gradient * scale)[..., None])[..., 0] * scale
            limit = 0.7 * theta[part, 3]
            move[:, :2] = np.clip(move[:, :2], -limit[:, None], limit[:, None])
            move[:, 3] = np.clip(move[:, 3], -0.3 * theta[part, 3], 0.3 * theta[part, 3])
            trial = theta[part] + move
            # The own Gaussian is not part of the neighbours: compare with the same neighbours.
            better = self._cost(trial, own, weight, typical, part) <= cost
            new[part] = np.where(better[:, None], trial, theta[part])
            new_damping[part] = np.clip(damping[part] * np.where(better, 0.2, 10.0), 1e-7, 1e3)
        return new, new_damping

    def _cost(
        self, trial: np.ndarray, own: np.ndarray, weight: np.ndarray, typical: float, part: slice
    ) -> np.ndarray:
        """Weighted squares of the residual of a trial (site, 5), (site,); data and weights as
        ``_normal`` gives them."""
        y, x, amplitude, width, background = (trial[:, k, None] for k in range(5))
        square = (self.y[part] - y) ** 2 + (self.x[part] - x) ** 2
        residual = own - amplitude * np.exp(square / (-2 * width**2)) - background
        deviation = np.log(np.maximum(trial[:, 3], 0.01 * typical) / typical) / _WIDTH_SPREAD
        return (weight * residual**2).sum(axis=1) + deviation**2

    def noise(self, theta: np.ndarray, model: np.ndarray) -> np.ndarray:
        """Variance of a pixel, a + b × signal and no less than c, (a, b, c), from all residuals."""
        signals, squares = [], []
        for part in _batches(len(theta)):
            residual = self._residual(theta, model, part)[0]
            signal = model.ravel()[self.flat[part]] + theta[part, 4, None]
            # A window spends 5 numbers on its own fit.
            used = self.inside[part].sum(axis=1, keepdims=True)
            share = used / np.maximum(used - 5, 1)
            signals.append(signal[self.inside[part]])
            squares.append((residual**2 * share)[self.inside[part]])
        signal, square = np.concatenate(signals), np.concatenate(squares)
        # Some hundred thousand pixels tell the noise as well as all of them.
        some = slice(None, None, -(-len(signal) // _NOISE_PIXELS))
        signal, square = signal[some], square[some]
        order = np.argsort(signal, kind="stable")
        bins = np.array_split(order, min(30, max(len(order) // 200, 2)))
        level = np.array([signal[b].mean() for b in bins])
        power = np.array([square[b].mean() for b in bins])
        return _straight(level, np.maximum(power, _FLOOR))

    def judge(
        self, theta: np.ndarray, model: np.ndarray, variance: np.ndarray, typical: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Standard errors of (y, x), (site, 2), with the neighbours known exactly, quality of the
        fit, (site,), weights (site, pixel) and normal matrices (site, 5, 5)."""
        inflation, area = self._correlation(theta, model, variance)
        error = np.full((len(theta), 2), np.nan)
        quality = np.full(len(theta), np.nan)
        weights = np.empty_like(self.data)
        matrices = np.empty((len(theta), 5, 5))
        for part in _batches(len(theta)):
            normal, _, cost, weight, own = self._normal(theta, model, variance, typical, part)
            weights[part], matrices[part] = weight, normal
            used = (weight > 0).sum(axis=1)
            scale = 1 / np.sqrt(np.maximum(np.einsum("sii->si", normal), _FLOOR))
            scaled = normal * scale[:, :, None] * scale[:, None, :]
            good = np.linalg.eigvalsh(scaled)[:, 0] > 1e-8
            scaled[~good] = np.eye(5)
            covariance = np.linalg.inv(scaled) * scale[:, :, None] * scale[:, None, :]
            # Correlated pixels are fewer independent ones.
            free = np.maximum(used / area, _INDEPENDENT)
            reduced = cost / np.maximum(used, 1) * free / (free - 5)
            good &= used > 8
            square = np.einsum("sii->si", covariance)[good, :2] * reduced[good, None] * inflation
            error[part][good] = np.sqrt(square)
            residual = self._residual(theta, model, part)[0]
            inside = self.inside[part]
            spread = _variance(own, inside)
            ratio = _variance(residual, inside) / np.maximum(spread, _FLOOR)
            quality[part] = np.clip(1 - ratio, 0, 1)
        return error, quality, weights, matrices

    def _correlation(
        self, theta: np.ndarray, model: np.ndarray, variance: np.ndarray
    ) -> tuple[np.ndarray, float]:
        """Estimate the factor (2,) by which correlated noise raises the variance of y and x.

        1 for white noise. Also the pixels per independent one.

        What the fit leaves is correlated from pixel to pixel in smoothed images, in scan lines and
        where the atoms are not quite Gaussian. A coordinate is measured with the derivative of
        the Gaussian as template; its variance grows by the sum over all lags of the correlation
        of the noise times the autocorrelation of the template.
        """
        width = float(np.median(theta[:, 3]))
        reach = int(np.clip(np.ceil(2 * width), 1, 8))
        number = {place: k for k, place in enumerate(zip(*self.offset, strict=True))}
        residual = np.empty_like(self.data, dtype=np.float32)
        for part in _batches(len(theta)):
            weight = self._weights(theta, model, variance, part)
            residual[part] = self._residual(theta, model, part)[0] * np.sqrt(weight)
        # A few hundred windows tell the correlation as well as all of them.
        some = slice(None, None, -(-len(theta) // _CORRELATION_SITES))
        residual, seen = residual[some], self.inside[some]
        power = float(np.mean(residual[seen] ** 2))
        total, area = np.ones(2), 1.0
        for lag_y in range(reach + 1):
            for lag_x in range(-reach if lag_y else 1, reach + 1):
                pairs = [
                    (k, number[y + lag_y, x + lag_x])
                    for (y, x), k in number.items()
                    if (y + lag_y, x + lag_x) in number
                ]
                if len(pairs) < 0.3 * len(number):
                    continue
                first, second = np.array(pairs).T
                both = seen[:, first] & seen[:, second]
                product = (residual[:, first] * residual[:, second])[both]
                share = float(product.mean()) / power if len(product) else 0.0
                # The fit itself leaves a few percent of (negative) correlation in white noise.
                if share > _CORRELATED:
                    lag = np.array([lag_y, lag_x])
                    template = np.exp(-(lag @ lag) / (4 * width**2))
                    area += 2 * share
                    total += 2 * share * template * (1 - lag**2 / (2 * width**2))
        return np.maximum(total, 1.0), area


def _variance(values: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Variance along the last axis of the values that lie on the image."""
    count = np.maximum(inside.sum(axis=1), 1)
    mean = np.where(inside, values, 0).sum(axis=1) / count
    return np.where(inside, (values - mean[:, None]) ** 2, 0).sum(axis=1) / count


def _straight(level: np.ndarray, power: np.ndarray) -> np.ndarray:
    """(a, b, least) of power = a + b × level, nowhere negative; relative errors are minimised."""
    from scipy.optimize import nnls

    low = min(level.min(), 0.0)  # a signal may be negative after subtraction of a background
    matrix = np.column_stack([np.ones_like(level), level - low]) / power[:, None]
    norm = np.linalg.norm(matrix, axis=0)
    (a, b), _ = nnls(matrix / norm, np.ones_like(level))
    a, b = a / norm[0], b / norm[1]
    a -= b * low
    # No pixel is taken as more certain than a tenth of the usual variance.
    return np.array([a, b, 0.1 * (a + b * level.mean())])


def render(shape: tuple[int, ...], theta: np.ndarray, reach: float) -> np.ndarray:
    """Sum of the Gaussians of all sites without their backgrounds, (height, width)."""
    height, width = shape
    image = np.zeros(height * width)
    size = np.ceil(reach * theta[:, 3]).astype(int)
    # Sites of equal window size are drawn together, from the top down: a batch fills few rows.
    for half in np.unique(size):
        members = np.flatnonzero(size == half)
        members = members[np.argsort(theta[members, 0], kind="stable")]
        offset = np.arange(-half, half + 1)
        for part in _batches(len(members)):
            one = theta[members[part]]
            rows = np.rint(one[:, 0]).astype(int)[:, None] + offset[None, :]
            cols = np.rint(one[:, 1]).astype(int)[:, None] + offset[None, :]
            dy2 = (rows - one[:, 0, None]) ** 2
            dx2 = (cols - one[:, 1, None]) ** 2
            spread = 2 * one[:, 3, None] ** 2
            tall = one[:, 2, None] * np.exp(-dy2 / spread)
            patch = tall[:, :, None] * np.exp(-dx2 / spread)[:, None, :]
            limit = (reach * one[:, 3]) ** 2
            patch *= dy2[:, :, None] + dx2[:, None, :] <= limit[:, None, None]
            patch *= ((rows >= 0) & (rows < height))[:, :, None]
            patch *= ((cols >= 0) & (cols < width))[:, None, :]
            rows, cols = np.clip(rows, 0, height - 1), np.clip(cols, 0, width - 1)
            top = int(rows.min()) * width
            index = rows[:, :, None] * width + cols[:, None, :] - top
            drawn = np.bincount(index.ravel(), weights=patch.ravel())
            image[top : top + len(drawn)] += drawn
    return image.reshape(shape)


def _batches(count: int) -> list[slice]:
    return [slice(k, min(k + _BATCH, count)) for k in range(0, count, _BATCH)]

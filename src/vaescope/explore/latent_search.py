"""Bayesian optimisation of an objective in the latent space of a model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from vaescope import store
from vaescope.errors import UserError
from vaescope.explore import ascent, best_found, latent_space, strategies
from vaescope.explore.checkpoints import Checkpoints
from vaescope.explore.choice import TOGETHER
from vaescope.explore.descriptions import descriptions
from vaescope.explore.explorer import Explorer
from vaescope.explore.latent_space import LatentSpace
from vaescope.explore.objective import Objective
from vaescope.explore.outcome import RANDOM, SEARCH
from vaescope.progress import Progress
from vaescope.quantities.cf_attributes import attributes

if TYPE_CHECKING:
    import xarray as xr

    from vaescope.explore.job import SearchJob
    from vaescope.explore.settings import ExploreSettings

KEPT = 24
"""Beliefs kept on the way, ever farther apart."""
CALM = 30
"""Evaluations in a row after which little is expected, before the search ends."""
CLIMB = 40
"""Steps of the gradient ascent."""
WORDS = {
    "response": "the response of a lattice without defects to the decoded curves",
    "coarse response": "the coarse response of a lattice without defects to the decoded curves",
    "memories": "fading memories of the decoded curves",
    "coarse memories": "coarse memories of the decoded curves",
    "latents": "the latents",
}
"""Descriptions of candidates in words."""
GRID, IN_LATENTS, IN_GENERATORS, ASCENT = (
    "grid",
    "search in the latents alone",
    "search in the generators",
    "gradient ascent on the field",
)


def run(job: SearchJob) -> xr.Dataset:
    """As `vaescope.explore.run`."""
    settings, wanted = job.settings, job.settings.space
    space = latent_space.of_model(
        job.results,
        job.model,
        job.members,
        candidates=wanted.candidates,
        margin=wanted.margin,
        seed=job.seed,
    )
    objective = Objective(settings.objective, space.axis)
    whole = {
        "settings": settings.as_dict(),
        "seed": job.seed,
        "curves": [store.digest(space.curves[:: len(space.curves) // 50 + 1].tolist())],
        "objective": objective.digest(),
    }
    files = Checkpoints(job.checkpoints, store.digest(whole))
    search = LatentSearch(space, settings, objective, job.seed, files, job.say)
    return search.dataset()


def _spoken(description: str) -> str:
    """A description of the candidates in words."""
    parts = [WORDS[name] for name in description.split(TOGETHER)]
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


class LatentSearch:
    """A search in a latent space with what stands beside it.

    Parameters
    ----------
    space : the candidates. objective : of what they decode to. files : where it is kept on the way.
    say : takes a line of progress.
    """

    def __init__(
        self,
        space: LatentSpace,
        settings: ExploreSettings,
        objective: Objective,
        seed: int,
        files: Checkpoints,
        say: Callable[[str], None],
    ) -> None:
        self.space, self.settings, self.objective = space, settings, objective
        self.seed, self.files, self.say = seed, files, say
        kind = settings.space.support
        weight = space.support.weight
        self.weights = {
            "penalise": np.maximum(weight, 1e-12),
            "refuse": space.support.real.astype(float),
            "ignore": np.ones(len(weight)),
        }[kind]
        self.truth = self._surface() if settings.space.surface else None

    def _surface(self) -> np.ndarray:
        """Values of all candidates, block by block, so that a killed job loses one block."""
        held = self.files.array("surface")
        values = np.full(len(self.space.curves), np.nan) if held is None else held
        done = int(self.files.array("surface-done") or 0) if held is not None else 0
        size = 1000
        with Progress(desc="objective of all candidates", total=len(values), log=self.say) as work:
            work.skip(done)
            for start in range(done, len(values), size):
                rows = slice(start, start + size)
                values[rows] = self.objective(self.space.curves[rows])
                self.files.keep_array("surface", values)
                self.files.keep_array("surface-done", np.array(min(start + size, len(values))))
                work.update(len(values[rows]))
        return values

    def values_of(self, candidates: np.ndarray) -> np.ndarray:
        """Values of some candidates, from the surface where that is known."""
        if self.truth is not None:
            return self.truth[candidates]
        return self.objective(self.space.curves[candidates])

    def explorer(self, described: Any, seed: int, allowed: np.ndarray | None = None) -> Explorer:
        """An explorer with the settings of the search."""
        s = self.settings
        return Explorer(
            described,
            acquisition=s.acquisition or "logei",
            kappa=s.kappa,
            start=min(s.start, s.evaluations),
            allowed=self.weights if allowed is None else allowed,
            transform=s.space.transform,
            trust_region=s.space.trust_region,
            seed=seed,
        )

    def described(self) -> dict[str, np.ndarray]:
        """Descriptions of the candidates among which the evidence chooses."""
        own = self.settings
        return descriptions(self.space.places, self.space.curves, own.objective, own.space.features)

    def found(self) -> tuple[Explorer, np.ndarray, dict[int, tuple[np.ndarray, ...]], str]:
        """Search to the end: the explorer, the expected regret (step,), the beliefs (mean, sd) by
        the number of evaluations known, and why it ended."""
        explorer = self.files.explorer() or self.explorer(self.described(), self.seed)
        held = self.files.array("regret")
        regret = [] if held is None else held.tolist()
        most = min(self.settings.evaluations, int((self.weights > 0).sum()))
        if most < 2:
            raise UserError(
                "no part of the latent space is real enough to be searched",
                found=f"{most} of {len(self.weights)} candidates that may be proposed",
                remedy="Train the model longer, or set `explore: space: support: penalise`",
            )
        spread = np.geomspace(min(self.settings.start, most), most, KEPT)
        keep = {int(number) for number in spread.round()}
        beliefs: dict[int, tuple[np.ndarray, ...]] = {}
        for number in range(1, most + 1):
            if (belief := self.files.array(f"belief-{number}")) is not None:
                beliefs[number] = tuple(belief)
        with Progress(desc="searching", total=most, log=self.say) as work:
            work.skip(len(explorer.points))
            while True:
                known = len(explorer.points)
                if known and len(regret) < known:  # the state after the last evaluations
                    expected = (
                        explorer.expected_regret() if known >= self.settings.start else np.nan
                    )
                    regret += [expected] * (known - len(regret))
                    if any(max(beliefs, default=0) < n <= known for n in keep):
                        beliefs[known] = explorer.predict()
                        self.files.keep_array(f"belief-{known}", np.stack(beliefs[known]))
                    self.files.keep_array("regret", np.array(regret))
                ended = self._ended(explorer, regret, most)
                if ended:
                    break
                # Where the best model expects nothing more, those of other descriptions propose.
                opinion = self._calm(explorer, regret) % len(explorer.descriptions)
                new = explorer.ask(min(self.settings.batch, most - known), opinion=opinion)
                explorer.tell(new, self.values_of(new))
                self.files.keep(explorer)
                work.update(len(new), f"best {explorer.best[1]:.4g}")
        self._refuse_nothing_found(explorer.values)
        if len(explorer.points) not in beliefs:
            beliefs = {n: b for n, b in beliefs.items() if n < len(explorer.points)}
            beliefs[len(explorer.points)] = explorer.predict()
        return explorer, np.array(regret), beliefs, ended

    def _refuse_nothing_found(self, values: np.ndarray) -> None:
        known = values[np.isfinite(values)]
        if len(known) < 2 or not np.ptp(known):
            why = "" if self.objective.refused is None else f" ({self.objective.refused.problem})"
            raise UserError(
                "nothing can be learned of the objective of `explore`",
                found=f"{len(known)} finite values of {len(values)} evaluations"
                + (f", all {known[0]:g}" if len(known) else "")
                + why,
                expected="values that differ",
                remedy="Look at what the objective makes of decoded curves, or raise `start`",
            )

    def _calm(self, explorer: Explorer, regret: list[float]) -> int:
        """Evaluations in a row, up to the last, after which little was expected."""
        known = explorer.values[np.isfinite(explorer.values)]
        if self.settings.stop is None or not len(known):
            return 0
        restless = ~(np.array(regret) <= self.settings.stop * np.ptp(known))
        return int(np.argmax(restless[::-1])) if restless.any() else len(regret)

    def _ended(self, explorer: Explorer, regret: list[float], most: int) -> str:
        """Why the search has ended; empty where it has not."""
        if len(regret) >= most:
            return f"the limit of {most} evaluations"
        if self._calm(explorer, regret) < CALM:
            return ""
        share = 100 * (self.settings.stop or 0.0)
        return (
            f"an expected regret below {share:g} % of the range of the values in"
            f" {CALM} evaluations in a row"
        )

    def beside(self, explorer: Explorer) -> dict[str, np.ndarray]:
        """Best value so far (run, step) of each strategy by name."""
        steps, runs = len(explorer.points), self.settings.repeats
        own = strategies.best_so_far(explorer.values, steps)[None]
        if not runs:
            return {SEARCH: own}
        able = self.weights > 0
        theirs = self._values_of_generators()
        described = self.described()
        ways: dict[str, Callable[[int], np.ndarray]] = {
            SEARCH: lambda seed: self._again(described, seed, steps),
            RANDOM: lambda seed: strategies.random(able, self.values_of, steps, seed),
            GRID: lambda seed: strategies.grid(
                self.space.places, able, self.values_of, steps, seed
            ),
        }
        if list(described) != ["latents"]:
            only = {"latents": self.space.places}
            ways[IN_LATENTS] = lambda seed: self._again(only, seed, steps)
        if len(self.space.theirs) > self.settings.start:
            ways[IN_GENERATORS] = lambda seed: strategies.search(
                self.explorer(self.space.generators, seed, np.ones(len(self.space.theirs))),
                theirs,
                steps,
            )
        found: dict[str, np.ndarray] = {}
        for name, way in ways.items():
            made = [own[0]] if name == SEARCH else []
            for run in range(len(made), runs):
                made.append(self._kept(f"{name}-{run}", partial(way, self.seed + 1 + run)))
            found[name] = np.stack(made)
        if self.settings.objective.quantity != "function":
            best = best_found.best_apart(explorer.points, explorer.values, self.space.places)
            found[ASCENT] = self._kept(ASCENT, lambda: self._climbed(best[:runs], steps))
        return found

    def _kept(self, name: str, way: Callable[[], np.ndarray]) -> np.ndarray:
        name = name.replace(" ", "-")
        held = self.files.array(name)
        if held is None:
            self.say(f"beside the search: {name}")
            held = way()
            self.files.keep_array(name, held)
        return held

    def _again(self, described: Any, seed: int, steps: int) -> np.ndarray:
        return strategies.search(
            self.explorer(described, seed), self.values_of, steps, self.settings.batch
        )

    def _values_of_generators(self) -> strategies.Values:
        """Values of the data as the model decodes them, each computed once."""
        known: dict[int, float] = {}

        def values(candidates: np.ndarray) -> np.ndarray:
            new = [int(c) for c in candidates if int(c) not in known]
            if new:
                known.update(zip(new, self.objective(self.space.theirs[new]), strict=True))
            return np.array([known[int(c)] for c in candidates])

        return values

    def _climbed(self, best: np.ndarray, steps: int) -> np.ndarray:
        real = self.space.curves[self.space.support.real]
        reach = max(1.0, float(np.abs(real).max(initial=0)))
        climbed = ascent.climb(
            self.space.curves[best], self.settings.objective, min(CLIMB, steps), reach
        )
        return np.stack([strategies.best_so_far(values, steps) for values in climbed])

    def dataset(self) -> xr.Dataset:
        """Search, compare, and gather what ``explore.zarr`` holds."""
        import xarray as xr

        explorer, regret, beliefs, stopped = self.found()
        beside = self.beside(explorer)
        words, space = self.objective.words, self.space
        runs = max(len(made) for made in beside.values())
        best = np.full((len(beside), runs, len(explorer.points)), np.nan)
        for row, reached in enumerate(beside.values()):
            best[row, : len(reached)] = reached
        about: dict[str, Any] = {
            "place": (("candidate", "axis"), space.places, "place in the latent space"),
            "allowed": ("candidate", self.weights > 0, "whether a candidate could be proposed"),
            "support": ("candidate", space.support.weight, "how real what is decoded is"),
            "point": ("step", explorer.points, "candidate of each evaluation"),
            "batch": ("step", self._batches(len(explorer.points)), "number of the proposal"),
            "value": ("step", explorer.values, words),
            "expected_regret": ("step", regret, "expected gain of evaluating on"),
            "mean": (
                ("kept", "candidate"),
                np.stack([mean for mean, _ in beliefs.values()]).astype(np.float32),
                f"predicted {words}",
            ),
            "sd": (
                ("kept", "candidate"),
                np.stack([sd for _, sd in beliefs.values()]).astype(np.float32),
                "standard deviation of the prediction",
            ),
            "best": (("strategy", "run", "step"), best, f"largest {words} so far"),
        }
        if self.truth is not None:
            about["truth"] = ("candidate", self.truth, words)
        made = xr.Dataset(
            {
                name: (dims, data, attributes(text, "1"))
                for name, (dims, data, text) in about.items()
            },
            {
                "axis": space.names,
                "kept": ("kept", list(beliefs), attributes("evaluations known", "1")),
                "strategy": list(beside),
            },
            {
                "method": "bo",
                "objective": words,
                "unit": "1",
                "stopped": stopped,
                "features": _spoken(explorer.chosen[0]),
                "transformed": explorer.chosen[1],
                "boundary": self.settings.objective.boundary,
                "real_share": float(space.support.real.mean()),
            },
        )
        winners = best_found.best_apart(explorer.points, explorer.values, space.places)
        shown = best_found.of_curves(
            space.curves[winners], space.axis, self.settings.objective, space.axis_is
        )
        return made.assign(shown).assign(
            best_candidate=("rank", winners, attributes("candidate of the best curves", "1"))
        )

    def _batches(self, steps: int) -> np.ndarray:
        return np.arange(steps) // self.settings.batch

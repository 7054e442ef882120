"""Make the plan of the run, and define the functions by which rules query it."""

import os
import signal
import sys
import time
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from types import SimpleNamespace

# The folder of the workflow, wherever it was started from or included by.
ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
if (ROOT / "src" / "vaescope").is_dir():
    # Works without having been installed, and as a module of another workflow.
    sys.path.insert(0, str(ROOT / "src"))
    shadowed = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ.update(
        PYTHONPATH=os.pathsep.join([sys.path[0], *filter(None, shadowed)])
    )

from snakemake.exceptions import WorkflowError
from snakemake.io import strip_wildcard_constraints
from snakemake.logging import logger
from vaescope.errors import UserError
from vaescope.results import layout
from vaescope.results.layout import pattern as here
from vaescope.workflow import make_plan, resources, script_copies
from vaescope.workflow import stopping, summary, terminal
from vaescope.workflow.jobs import alone
from vaescope.workflow.settings import LEFT_OUT

STARTED = time.time()
HELD = ExitStack()  # what this process holds until it ends: the lock of the results

# The working folder may have a configuration of its own.
CONFIG = Path("config/config.yaml")
if not CONFIG.is_file():
    CONFIG = ROOT / CONFIG


configfile: CONFIG


try:
    PLAN = make_plan(config, root=ROOT, here=Path.cwd())
except UserError as error:
    raise WorkflowError(str(error)) from None


stopping.stop_run_once(signal.SIGINT)


pathvars:
    results=str(PLAN.results),


wildcard_constraints:
    dataset="[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    model="[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    part="[0-9]{1,4}",
    detector="[0-9a-f]{16}",
    line="[0-9]{1,9}",


def ask(question, *arguments):
    """Query the plan; a refusal becomes an error that Snakemake shows as one line."""
    try:
        return question(*arguments)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def recipe(*keys):
    """A param with a part of the recipe: a rule that takes only this part reruns only for it."""

    def part(wildcards):
        value = ask(PLAN.recipe, wildcards.dataset)
        for key in keys:
            value = getattr(value, key)
        return plain(value)

    return part


def plain(value):
    """Settings as plain values, which Snakemake compares with those of the last run."""
    return value.as_dict() if hasattr(value, "as_dict") else value


def of_dataset(question):
    """Make a param from a property of the dataset."""
    return lambda wildcards: plain(ask(question, wildcards.dataset))


def models(wildcards):
    """Names of the dataset's models."""
    return ask(PLAN.models, wildcards.dataset)


def each_model(pattern):
    """An input with one path for each model of the dataset."""
    return lambda wildcards: expand(
        pattern, dataset=wildcards.dataset, model=models(wildcards)
    )


def if_baselines(*paths):
    """An input that exists only where the recipe has classical methods."""

    def wanted(wildcards):
        if not ask(PLAN.recipe, wildcards.dataset).baselines.methods:
            return []
        return expand(list(paths), dataset=wildcards.dataset)

    return wanted


def if_full(*paths):
    """An input of full reports alone."""

    def wanted(wildcards):
        full = ask(PLAN.reports, wildcards.dataset) == "full"
        return expand(list(paths), dataset=wildcards.dataset) if full else []

    return wanted


def if_compared(path):
    """An input of full reports that stand beside classical methods."""
    full, compared = if_full(path), if_baselines(path)
    return lambda wildcards: full(wildcards) and compared(wildcards)


def strained_models(pattern):
    """An input with one path for each model of the dataset that has strain."""
    return lambda wildcards: expand(
        pattern,
        dataset=wildcards.dataset,
        model=ask(PLAN.strained, wildcards.dataset),
    )


def spectra_store(wildcards):
    """The spectra of a dataset, or no input where its recipe reads none."""
    read = ask(PLAN.reads_spectra, wildcards.dataset)
    return expand(here(layout.SPECTRA), dataset=wildcards.dataset) if read else []


def predicting(path):
    """An input of models alone that predict spectra from patches."""

    def wanted(wildcards):
        if not ask(PLAN.predicts_spectra, wildcards.dataset, wildcards.model):
            return []
        return expand(path, dataset=wildcards.dataset)

    return wanted


def starting_members(wildcards):
    """Trained members of another model, for a model that starts from them."""
    other = ask(PLAN.starts_from, wildcards.dataset, wildcards.model)
    if not other:
        return []
    return expand(here(layout.MEMBERS), dataset=wildcards.dataset, model=other)


def strain_store(wildcards):
    """The map of strain, where sites are atoms."""
    mapped = ask(PLAN.maps_strain, wildcards.dataset)
    return expand(here(layout.STRAIN), dataset=wildcards.dataset) if mapped else []


def walls_store(wildcards):
    """The map of domain walls, where sites lie on them."""
    mapped = ask(PLAN.maps_walls, wildcards.dataset)
    return expand(here(layout.WALLS), dataset=wildcards.dataset) if mapped else []


def explored_store(wildcards):
    """The course of a search, where the recipe has one."""
    explored = ask(PLAN.explores, wildcards.dataset)
    return expand(here(layout.EXPLORED), dataset=wildcards.dataset) if explored else []


def of_explored_model(path):
    """An input of the model whose latent space a search is in."""
    return lambda wildcards: expand(
        path,
        dataset=wildcards.dataset,
        model=ask(PLAN.explored_model, wildcards.dataset),
    )


def defects(wildcards):
    """The user's own file of defects that may pin domain walls."""
    return ask(PLAN.defects, wildcards.dataset) or []


def parts(wildcards):
    """The parts of an ensemble: folders of members trained by one job each."""
    return expand(
        here(layout.PARTS),
        dataset=wildcards.dataset,
        model=wildcards.model,
        part=range(ask(PLAN.jobs, wildcards.dataset)),
    )


def detector(wildcards):
    """The learned detector that is trained for a dataset, or no input where none is."""
    name = ask(PLAN.detector, wildcards.dataset)
    return [f"<results>/{layout.DETECTORS}/{name}/members"] if name else []


def members(wildcards):
    """Numbers of the members that one part trains."""
    return ask(PLAN.members, wildcards.dataset, int(wildcards.part))


def training_group(wildcards):
    """The group of a training and of what gathers its members: one job of a cluster for each model,
    or, where the recipe distributes an ensemble, one for each part."""
    if ask(PLAN.jobs, wildcards.dataset) == 1:
        return "train"
    return f"train-{getattr(wildcards, 'part', 'combine')}"


def model_settings(wildcards):
    """Settings of one model."""
    return plain(ask(PLAN.model, wildcards.dataset, wildcards.model))


def physics(wildcards):
    """Fingerprint the user's own loss term of a model."""
    return ask(PLAN.physics, wildcards.dataset, wildcards.model)


def memory_for(base, per_input, per_thread=0):
    """Memory in MB: with a small input, for each MB of input on disk or else of the source, and for
    each thread but the first. Half as much again as the bundled examples take."""

    def memory(wildcards, input, attempt, threads):
        own = base + per_thread * (threads - 1)
        return resources.memory_mb(own, per_input, input_mb(wildcards, input), attempt)

    return memory


def threads_of(most):
    """Threads of a rule that uses so many at best, on the cores that this run was given."""

    def threads(wildcards):
        try:
            cores = workflow.cores if workflow.local_exec else None
        except WorkflowError:  # no number was given
            cores = None
        if workflow.remote_exec:  # a scheduler has given the job its own
            cores = None
        return resources.threads(most, cores, PLAN.trainings)

    return threads


def minutes(base, per_gb):
    """Compute the run time in minutes: a base, and a rate for each GB of input."""

    def runtime(wildcards, input, attempt):
        return resources.minutes(base, per_gb, input_mb(wildcards, input), attempt)

    return runtime


def input_mb(wildcards, input):
    """Size of a job's input: of its files, or of the source while they do not exist yet."""
    source = ask(PLAN.source_mb, wildcards.dataset)
    return max(resources.size_mb(input), source)


def refusals():
    """Targets that cannot be made, one for each row that cannot be used: so the run fails."""
    return [f"<results>/.problems/{problem.line}" for problem in PLAN.problems]


def completed(wildcards):
    """What completes the results of a dataset: its report, or its facts where it has none."""
    page = ask(PLAN.page, wildcards.dataset)
    return expand(here(page), dataset=wildcards.dataset)


def all_completed(wildcards):
    """What completes the results of all datasets."""
    return [
        path for name in PLAN.rows for path in completed(SimpleNamespace(dataset=name))
    ]


def exports_of(*formats):
    """Make an input of the exports of a dataset in some formats, where they are requested."""

    def wanted(wildcards):
        return expand(PLAN.exported(formats), dataset=wildcards.dataset)

    return wanted


def exports(wildcards):
    """List the exports of all datasets."""
    return expand(PLAN.exported(), dataset=PLAN.rows)


def problem_of(wildcards):
    """The message about a row that cannot be used."""
    found = [item for item in PLAN.problems if item.line == int(wildcards.line)]
    return found[0].message if found else "this row of the sample sheet is in order"


def start_run():
    """Refuse a results folder in which another run is active."""
    # Not before: Snakemake has just set its own, which would wait for the end of every job.
    stopping.stop_run_once(signal.SIGINT, signal.SIGTERM)
    try:
        ours = HELD.enter_context(alone(PLAN.results / ".lock", wait=False))
    except OSError as error:
        raise WorkflowError(
            f"`{PLAN.results}` cannot be written: {error.strerror}. Correct its permissions or make"
            " room, or choose another folder by `--config results=PATH`."
        ) from None
    if not ours:
        raise WorkflowError(
            f"Another run is at work in `{PLAN.results}`. Wait for its end, or stop it."
        )
    summary.forget_unwanted(PLAN)
    script_copies.tidy(PLAN.results)
    terminal.share_with(logger)


def end_run():
    """Show the results so far, failures included."""
    summary.tidy(PLAN)
    script_copies.tidy(PLAN.results)
    try:
        summary.refresh_index(PLAN, since=STARTED)
    except OSError as error:  # the disk is full
        print(f"\nThe index could not be written: {error.strerror}.", file=sys.stderr)
    print(f"\n{summary.closing_words(PLAN, since=STARTED)}", file=sys.stderr)


def jobs_of(wildcards):
    """List every job that a dataset may have: table of times, description, inputs and outputs."""
    left_out = LEFT_OUT[ask(PLAN.reports, wildcards.dataset)]
    found = []
    for each in workflow.rules:
        table = strip_wildcard_constraints(str(each.benchmark or ""))
        # What a report drew before it was a light one, or none, may still be there.
        if "/{dataset}/" not in table or each.name.endswith(left_out):
            continue
        for chosen in choices(each, wildcards.dataset):
            words = each.message.format(wildcards=SimpleNamespace(**chosen))
            job = {"rule": each.name, "words": words, "table": table.format(**chosen)}
            for kind, files in (("reads", each.input), ("writes", each.output)):
                job[kind] = [path for item in files for path in paths(item, chosen)]
            found.append(job)
    return found


def paths(item, chosen):
    """Expand an input or output of a rule to paths, with these wildcards."""
    if callable(item):
        found = item(SimpleNamespace(**chosen))
        return [path.replace("<results>", str(PLAN.results)) for path in found]
    return [strip_wildcard_constraints(str(item)).format(**chosen)]


def choices(rule, dataset):
    """List the wildcards of all jobs of a rule that belong to a dataset."""
    values = {"dataset": [dataset]}
    if "model" in rule.wildcard_names:
        values["model"] = ask(PLAN.models, dataset)
    if "part" in rule.wildcard_names:
        values["part"] = range(ask(PLAN.jobs, dataset))
    return [dict(zip(values, each)) for each in product(*values.values())]

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
from vaescope.results.layout import of_group, pattern as here
from vaescope.workflow import make_plan, resources, script_copies
from vaescope.workflow import slurm, stopping, summary, terminal
from vaescope.workflow.jobs import alone
from vaescope.workflow.queue_watch import QueueWatch
from vaescope.workflow.settings import LEFT_OUT

STARTED = time.time()
HELD = ExitStack()  # what this process holds until it ends: the lock of the results

# The working folder may have a configuration of its own.
CONFIG = Path("config/config.yaml")
if not CONFIG.is_file():
    CONFIG = ROOT / CONFIG


configfile: CONFIG


try:
    PLAN = make_plan(
        config, root=ROOT, here=Path.cwd(), again=not workflow.is_main_process
    )
except UserError as error:
    raise WorkflowError(str(error)) from None


stopping.stop_run_once(signal.SIGINT)


pathvars:
    results=str(PLAN.results),


wildcard_constraints:
    dataset="[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    model="[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    group="[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
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
        return ask(PLAN.plain_recipe, wildcards.dataset, keys)

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


def as_first(question):
    """What a function of wildcards says of the first reference of a group, for a job of the
    group."""

    def of_group_job(wildcards):
        own = dict(wildcards.items())
        own["dataset"] = ask(PLAN.first, own["group"])
        return question(SimpleNamespace(**own))

    return of_group_job


def of_first(path):
    """An input of the first reference of a group."""
    return lambda wildcards: expand(path, dataset=ask(PLAN.first, wildcards.group))[0]


def references(path):
    """An input with one path for each reference of a group."""
    return lambda wildcards: expand(
        path, dataset=PLAN.groups[wildcards.group].references
    )


def of_all(path):
    """An input with one path for each dataset of a group and each of its models."""
    return lambda wildcards: expand(
        path,
        dataset=PLAN.groups[wildcards.group].datasets,
        model=ask(PLAN.models, ask(PLAN.first, wildcards.group)),
    )


def of_all_datasets(path):
    """An input with one path for each dataset of a group."""
    return lambda wildcards: expand(path, dataset=PLAN.groups[wildcards.group].datasets)


def group_reports(wildcards):
    """The pages of all groups."""
    return expand("<results>/groups/{group}/report.html", group=PLAN.groups)


def shared(*paths):
    """An input of what the group of a dataset shares, or none where it belongs to none."""

    def wanted(wildcards):
        group = ask(PLAN.group_of, wildcards.dataset)
        if group is None:
            return []
        model = getattr(wildcards, "model", "")
        return expand(list(paths), group=group.name, model=model)

    return wanted


def parts_of_group(wildcards):
    """The parts of the ensemble of a group."""
    return expand(
        of_group(layout.PARTS),
        group=wildcards.group,
        model=wildcards.model,
        part=range(ask(PLAN.jobs, ask(PLAN.first, wildcards.group))),
    )


def starting_members_of_group(wildcards):
    """Trained members of another model of the group, for a model that starts from them."""
    other = ask(PLAN.starts_from, wildcards.dataset, wildcards.model)
    if not other:
        return []
    return expand(of_group(layout.MEMBERS), group=wildcards.group, model=other)


def parts(wildcards):
    """The parts of an ensemble: folders of members trained by one job each; none where the ensemble
    is that of a group."""
    if ask(PLAN.group_of, wildcards.dataset) is not None:
        return []
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


def cutting_group(wildcards):
    """The group of the cutting of patches. The scale of those of a group of datasets follows from
    the sites of its first, so that they cannot be cut by the job that finds these."""
    alone = ask(PLAN.group_of, wildcards.dataset) is None
    return "prepare" if alone else "cut"


def training_group(wildcards):
    """The group of a training and of what gathers its members: one job of a cluster for each model,
    or, where the recipe distributes an ensemble, one for each part."""
    if ask(PLAN.group_of, wildcards.dataset) is not None and not hasattr(
        wildcards, "group"
    ):
        return "map"  # the members are those of the group: nothing is trained
    if ask(PLAN.jobs, wildcards.dataset) == 1:
        return "train"
    return f"train-{getattr(wildcards, 'part', 'combine')}"


def model_settings(wildcards):
    """Settings of one model."""
    ask(PLAN.model, wildcards.dataset, wildcards.model)  # there is one
    return ask(PLAN.plain_recipe, wildcards.dataset, ("models", wildcards.model))


def physics(wildcards):
    """Fingerprint the user's own loss term of a model."""
    return ask(PLAN.physics, wildcards.dataset, wildcards.model)


def largest_node():
    """The most that one job can have, where Slurm runs the jobs; None elsewhere."""
    if not workflow.is_main_process:
        return slurm.given()
    plugin = workflow.executor_plugin
    if plugin is None or plugin.name != "slurm":
        return None
    chosen = workflow.resource_settings
    every = [chosen.default_resources or {}, *chosen.overwrite_resources.values()]
    named = [each["slurm_partition"] for each in every if "slurm_partition" in each]
    return ask(
        slurm.largest, tuple(str(getattr(name, "value", name)) for name in named)
    )


def memory_for(base, per_input, per_thread=0):
    """Memory in MB: with a small input, for each MB of input on disk or else of the source, and for
    each thread but the first. Half as much again as the bundled examples take."""

    def memory(wildcards, input, attempt, threads):
        own = base + per_thread * (threads - 1)
        return memory_mb(own, per_input, input_mb(wildcards, input), attempt)

    return memory


def memory_mb(base, per_input, mb, attempt):
    """Memory in MB: on a cluster also for the Snakemake around each job, and again no more than a
    node has when a job is tried again."""
    around = resources.SNAKEMAKE_MB if workflow.non_local_exec else 0
    most = getattr(largest_node(), "memory_mb", None)
    return resources.memory_mb(base + around, per_input, mb, attempt, most)


def threads_of(most, with_gpu=None):
    """Threads of a rule that uses so many at best, on the cores that this run was given, or that
    a node of the cluster has; where a GPU does the work, ``with_gpu``."""

    def threads(wildcards):
        node = largest_node()
        if node is not None:
            return min(with_gpu if with_gpu and node.gpus else most, node.cores)
        try:
            cores = workflow.cores if workflow.local_exec else None
        except WorkflowError:  # no number was given
            cores = None
        if workflow.remote_exec:  # a scheduler has given the job its own
            cores = None
        return resources.threads(most, cores, PLAN.trainings)

    return threads


def one_gpu(wildcards):
    """One GPU, unless no node of the cluster has any: then the CPU is used."""
    node = largest_node()
    return 1 if node is None else min(1, node.gpus)


def minutes(base, per_gb):
    """Compute the run time in minutes: a base, and a rate for each GB of input."""

    def runtime(wildcards, input, attempt):
        most = getattr(largest_node(), "minutes", None)
        return resources.minutes(
            base, per_gb, input_mb(wildcards, input), attempt, most
        )

    return runtime


def input_mb(wildcards, input):
    """Size of a job's input: of its files, or of the source while they do not exist yet."""
    dataset = getattr(wildcards, "dataset", None)
    source = ask(PLAN.source_mb, dataset) if dataset else 0
    return max(resources.size_mb(input), source)


def refusals():
    """Targets that cannot be made, one for each row that cannot be used: so the run fails."""
    return [f"<results>/.problems/{problem.line}" for problem in PLAN.problems]


def completed(wildcards):
    """What completes the results of a dataset: its report, or its facts where it has none."""
    page = ask(PLAN.page, wildcards.dataset)
    return expand(here(page), dataset=wildcards.dataset)


def all_completed(wildcards):
    """What completes the results of all datasets, and their exports: dataset by dataset, so that a
    batch of these files (`--batch`) is one of datasets."""
    return [
        path
        for name in PLAN.rows
        for path in completed(SimpleNamespace(dataset=name))
        + expand(PLAN.exported(), dataset=name)
    ]


def exports_of(*formats):
    """Make an input of the exports of a dataset in some formats, where they are requested."""

    def wanted(wildcards):
        return expand(PLAN.exported(formats), dataset=wildcards.dataset)

    return wanted


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
    watch_queue()
    summary.forget_unwanted(PLAN)
    script_copies.tidy(PLAN.results)
    terminal.share_with(logger)


def watch_queue():
    """Name jobs that can never start, and why Slurm ended others; it must be seen when jobs end."""
    node = largest_node()
    if node is None:
        return
    # Jobs of a group that do not depend on each other share a node, or take turns on it.
    workflow.global_resources["_cores"] = node.cores
    ask(slurm.check_status, workflow.executor_settings.status_command)
    HELD.push(slurm.stand_in_for_sacct() or ExitStack())
    watch = QueueWatch(
        Path.cwd(), logger.warning, lambda: os.kill(os.getpid(), signal.SIGTERM)
    )
    watch.note_failures(logger)
    watch.start()


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
        own = ask(PLAN.group_of, dataset) is None
        values["part"] = range(ask(PLAN.jobs, dataset)) if own else []
    return [dict(zip(values, each)) for each in product(*values.values())]

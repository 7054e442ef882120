"""Judge the results of one dataset (rule judge): stores, scores, histories -> facts.json."""

from vaescope import store
from vaescope.judge.facts import judge
from vaescope.results import Results
from vaescope.workflow import job
from vaescope.workflow.jobs import forget_failures

with job(snakemake) as task:
    results = Results(task.folder, task.input)
    facts = judge(results, results.mapped(task.params.models), task.params.members)
    store.write_text(facts.text(), task.output.facts)
    for finding in facts.findings:
        task.say(f"{finding.about}: {finding.says}")
    if task.params.completes:
        forget_failures(task.folder)

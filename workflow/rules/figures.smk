"""Draw figures."""


rule draw_figures:
    """Draw all figures of a dataset; each version of them stays beside the next."""
    input:
        image=here(layout.IMAGE),
        sites=here(layout.SITES),
        patches=here(layout.SAMPLES),
        latents=each_model(here(layout.LATENTS)),
        movies=each_model(here(layout.MOVIE)),
        strain=strain_store,
        walls=walls_store,
        explored=explored_store,
        history=each_model(here(layout.HISTORY)),
        facts=here(layout.FACTS),
        baselines=if_baselines(here(layout.BASELINES)),
    output:
        # The folders of versions beside it are no outputs: Snakemake must never delete them.
        latest=report(
            directory(here(layout.LATEST)),
            # Those that tell most: the dataset's own report has all.
            patterns=[
                "{name,search-maps|search-course|search-histories|sites|patches|strain-maps|energy-windows|.+-(maps-cells|classes|uncertainty"
                "|criticism|decoded-grid|decoded-pairs|energy-windows|predicted-spectra)}.png"
            ],
            caption="../report/figures.rst",
            category="{dataset}",
            labels={"figure": "{name}"},
        ),
    log:
        "<results>/{dataset}/logs/draw_figures.log",
    benchmark:
        "<results>/{dataset}/benchmarks/draw_figures.tsv"
    group:
        "report"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(600, 3.0),
        runtime=minutes(30, 60),
    params:
        recipe=recipe(),
        models=models,
    message:
        "{wildcards.dataset}: drawing figures"
    script:
        "../../scripts/draw_figures.py"

"""Figures."""


rule draw_figures:
    """Draw all figures of a dataset; each version of them stays beside the next."""
    input:
        image="<results>/{dataset}/image.zarr",
        sites="<results>/{dataset}/sites.zarr",
        patches="<results>/{dataset}/patches.zarr",
        latents=each_model("<results>/{dataset}/{model}/latents.zarr"),
        movies=each_model("<results>/{dataset}/{model}/movie"),
        strain=strain_store,
        history=each_model("<results>/{dataset}/{model}/history.csv"),
        baselines=if_baselines("<results>/{dataset}/baselines.zarr"),
    output:
        # The folders of versions beside it are no outputs: Snakemake must never delete them.
        latest=report(
            directory("<results>/{dataset}/figures/latest"),
            patterns=["{name}.png"],
            caption="../report/figures.rst",
            category="{dataset}",
            labels={"figure": "{name}"},
        ),
    log:
        "<results>/{dataset}/logs/draw_figures.log",
    benchmark:
        "<results>/{dataset}/benchmarks/draw_figures.tsv"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for("draw_figures"),
        runtime=minutes(30, 60),
    params:
        recipe=recipe(),
        models=models,
    message:
        "{wildcards.dataset}: drawing figures"
    script:
        "../../scripts/draw_figures.py"

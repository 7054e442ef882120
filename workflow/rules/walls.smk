"""Map what domain walls do."""


rule map_walls:
    """Map where walls are pinned, what switched, events and roughness; a table of the walls."""
    input:
        image=here(layout.IMAGE),
        sites=here(layout.SITES),
        defects=defects,
    output:
        walls=directory(here(layout.WALLS)),
        table=here(layout.WALLS_TABLE),
    log:
        "<results>/{dataset}/logs/map_walls.log",
    benchmark:
        "<results>/{dataset}/benchmarks/map_walls.tsv"
    group:
        "map"
    conda:
        "../envs/vaescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_for(600, 8.0),
        runtime=minutes(20, 60),
    params:
        seed=of_dataset(PLAN.seed),
    message:
        "{wildcards.dataset}: mapping domain walls"
    script:
        "../../scripts/map_walls.py"

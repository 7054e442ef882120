include: "workflow/Snakefile"


# An included file does not set what is made when nothing is asked for.
workflow.default_target = "all"

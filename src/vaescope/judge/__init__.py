"""Judge results: facts, findings, artefacts of the scan."""

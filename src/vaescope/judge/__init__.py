"""What a careful reader should know of a result: facts, findings, artefacts of the scan."""

"""The validator of RO-Crates without the net."""

from __future__ import annotations

import io
import json
from pathlib import Path

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
# RO-Crate 1.1 has these of Bioschemas under other addresses than later versions do.
OF_1_1 = {
    "ComputationalWorkflow": "https://bioschemas.org/ComputationalWorkflow",
    "FormalParameter": "https://bioschemas.org/FormalParameter",
    "input": "https://bioschemas.org/ComputationalWorkflow#input",
    "output": "https://bioschemas.org/ComputationalWorkflow#output",
}


def cache(path: Path) -> Path:
    """Fill the validator's cache with the one page that it wants from the net: the context."""
    import rocrate
    from requests.adapters import HTTPAdapter
    from requests_cache import CachedSession
    from urllib3 import HTTPResponse

    page = json.loads((Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_text())
    page["@context"].update(OF_1_1)
    content = json.dumps(page).encode()

    class Here(HTTPAdapter):
        def send(self, request, **_):
            headers = {"Content-Type": "application/ld+json"}
            raw = HTTPResponse(
                io.BytesIO(content),
                headers=headers,
                status=200,
                preload_content=False,
                request_url=request.url,
            )
            return self.build_response(request, raw)

    with CachedSession(cache_name=str(path), backend="sqlite", expire_after=-1) as session:
        session.mount("https://", Here())
        session.get(CONTEXT)
    return path


def problems(folder: Path, cache: Path) -> list[str]:
    """What the validator finds wrong."""
    from rocrate_validator import models, services

    result = services.validate(
        services.ValidationSettings(
            rocrate_uri=str(folder),
            profile_identifier="workflow-run-crate",
            requirement_severity=models.Severity.REQUIRED,
            offline=True,
            cache_path=cache,
        )
    )
    return [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()]

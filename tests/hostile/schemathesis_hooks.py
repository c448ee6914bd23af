"""What schemathesis makes of the OpenAPI document, with languages that are served in most requests.

Random ones are refused before anything else is looked at.
"""

from __future__ import annotations

from typing import Any

import schemathesis

SERVED = {"source": "fr", "target": "en", "source_lang": "FR", "target_lang": "EN"}


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Three bodies of four get languages that are served."""
    if isinstance(body, dict) and len(repr(body)) % 4:
        return body | {name: code for name, code in SERVED.items() if name in body}
    return body

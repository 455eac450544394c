"""Index the names of the reference facts: `python -m local.name_index`, after the facts or the rules of names have changed.

The index is kept beside the facts, because making it takes longer than all else that a function does for its first question.
"""

import json
from pathlib import Path
from typing import Final

from shared.resolver import cell_names, perturbation_names, receptors

FILE: Final = Path(__file__).parent.parent / "shared" / "facts" / f"{cell_names.INDEX}.json"


def as_json() -> str:
    """The index, made anew; a line for each name, so that its changes can be read."""
    content = {
        "cell_types": cell_names.index_reference_names().stored(),
        "perturbations": perturbation_names.index_reference_names().stored(),
        "receptors": receptors.index_receptor_names(),
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), sort_keys=True, indent=0) + "\n"


if __name__ == "__main__":
    FILE.write_text(as_json(), encoding="utf-8")
    print(f"wrote {FILE}")

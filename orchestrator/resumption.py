"""What tells whether an attempt may go on behind the iterations of one that lost its machine: whether it would find the same."""

import json
from dataclasses import asdict
from hashlib import sha256

from orchestrator.config import JobConfig
from orchestrator.finding import versions
from orchestrator.prompts import Prompt
from orchestrator.query_analysis import Question
from shared.fields import ControlStrategy
from shared.runs.records import Iteration


class NotReproduced(Exception):
    """What was kept of an earlier attempt is not what this one finds (another image, atlas or reading of the question)."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"iteration {number} of the attempt before is not found again: {what}")


def made_from(
    prompt: Prompt,
    question: Question,
    *,
    requested: ControlStrategy,
    predictor: str,
    config: JobConfig,
    seed: int,
) -> str:
    """A fingerprint of all that an iteration's numbers follow from, but the code of the job itself.

    Args:
        prompt: what the prediction is shown.
        question: what is asked, and of which atlas.
        requested: what the prediction shall be compared with.
        predictor: who predicts.
        config: the numbers.
        seed: the run's seed.
    """
    origin = {
        "groups": [asdict(group) for group in prompt.groups],
        "dataset": question.dataset.model_dump(mode="json"),
        "perturbation": question.perturbation.name,
        "query_type": question.query_type.label,
        "requested": requested.value,
        "predictor": predictor,
        "config": asdict(config),
        "seed": seed,
        "versions": versions(),
    }
    return sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()[:16]


def check_same(kept: Iteration, found: Iteration) -> None:
    """Hold an iteration that was done again against what was kept of it; only the time it took may differ.

    Args:
        kept: the iteration as it was kept.
        found: the iteration as it is now.

    Raises:
        NotReproduced: anything else differs.
    """
    if kept != found.model_copy(update={"duration_seconds": kept.duration_seconds}):
        raise NotReproduced(kept.number, f"it scored {kept.score} then and {found.score} now")

"""What the owner of a run must know about how its answer came to be."""

from orchestrator.evaluation import Origin
from orchestrator.prompts import Prompt
from orchestrator.query_analysis import Question


def held_out(prompt: Prompt, question: Question) -> list[str]:
    """What the owner must know where the asked combination itself was not used, as sentences.

    Args:
        prompt: what was used.
        question: what was asked.
    """
    origin = prompt.origin(question.query_type.label)
    if origin is Origin.INFERRED:
        used = ", ".join(sorted({group.condition for group in prompt.groups}))
        return [
            f"This answer is inferred from cells under {used}, not under {question.perturbation.name}: {prompt.rationale} "
            "Treat it as a hypothesis: what sets the two apart cannot be seen in it."
        ]
    if origin is Origin.CARRIED:
        types = {group.cell_type for group in prompt.groups}
        return [
            f"No {question.query_type.label} cells under {question.perturbation.name} were used. The response was carried over from "
            f"{', '.join(sorted(types))}; what only {question.query_type.label} cells do is missing."
        ]
    return []

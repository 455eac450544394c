"""Layout of the responses of the service for people."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from haystack_client.answers import Answers
from haystack_client.evidence import sentences
from haystack_client.progress import describe, in_a_row
from haystack_client.reading import in_short, interpretation
from haystack_client.terminal import Terminal, empty_table, plain

STYLES: Final = {"completed": "green", "failed": "red", "cancelled": "yellow"}
GENES: Final = 10
PATHWAYS: Final = 8


def outcome(terminal: Terminal, run: Mapping[str, Any]) -> None:
    """Print the status of a run, how far its answer can be trusted, its scores, and why it failed."""
    terminal.line(f"status: {run['status']}", STYLES.get(run["status"]))
    if run.get("confidence"):  # older services have none
        terminal.line(f"confidence: {run['confidence']}", "bold")
    dash = " (–: not judged)" if None in run["grounding_scores"] else ""
    terminal.line(f"grounding scores: {in_a_row(run['grounding_scores']) or 'none'}{dash}")
    if run["error_message"]:
        terminal.prose(run["error_message"])
    if run["failure"]:
        terminal.prose(f"{run['failure']['reason']}: {run['failure']['advice']}")


def accepted(terminal: Terminal, run: Mapping[str, Any]) -> None:
    """Print how the question of a new run is read, and the id of the run."""
    if run["interpretation"]:
        interpretation(terminal, run["interpretation"])
    else:
        terminal.prose("not read yet: the language model reads the question when the run starts", style="yellow")
    terminal.line(f"run: {run['run_id']}", "bold")


def submitted(terminal: Terminal, run: Mapping[str, Any]) -> None:
    """Print a new run, and the command that follows it."""
    accepted(terminal, run)
    terminal.line(f"To follow it: haystack watch {run['run_id']}")


def ended(terminal: Terminal, run: Mapping[str, Any]) -> None:
    """Print how a run ended, and the command that shows its result."""
    outcome(terminal, run)
    if run["status"] == "completed":
        terminal.line(f"To see the result: haystack result {run['run_id']}")


def cancelled(terminal: Terminal, answer: Mapping[str, Any]) -> None:
    """Print that a run is cancelled."""
    terminal.line(f"{answer['run_id']} is {answer['status']}", STYLES.get(answer["status"]))


def deleted(terminal: Terminal, answer: Mapping[str, Any]) -> None:
    """Print that a run is deleted."""
    terminal.line(f"{answer['run_id']} and its files are deleted")


def lines(terminal: Terminal, found: Iterable[str]) -> None:
    """Print lines of a history."""
    for text in found:
        terminal.prose(text.lstrip(), indent=len(text) - len(text.lstrip()))


def status(terminal: Terminal, run: Mapping[str, Any]) -> None:
    """Print everything about the status of a run."""
    terminal.prose(run["query"], style="bold")
    if run["interpretation"]:
        interpretation(terminal, run["interpretation"])
    terminal.line(f"run: {run['run_id']}")
    if run.get("label"):  # older services have none
        terminal.line(f"label: {run['label']}")
    outcome(terminal, run)
    for each in run.get("notifications") or ():
        error = f": {each['error']}" if each["error"] else ""
        terminal.line(f"notification by {each['channel']}: {each['state'].replace('_', ' ')}{error}")
    if not run["done"]:
        terminal.line(f"progress: {describe(run)}")
    if run["attempt"] != 1:
        terminal.line(f"attempt: {run['attempt']} (the machine of the previous attempt was lost or never started)")
    effective = run["control_strategy_effective"]
    requested = f" (requested: {run['control_strategy']})" if effective not in {None, run["control_strategy"]} else ""
    terminal.line(f"control strategy: {effective or run['control_strategy']}{requested}")
    terminal.line(f"created: {_local_time(run['created_at'])}; updated: {_local_time(run['updated_at'])}")


def runs(terminal: Terminal, page: Mapping[str, Any]) -> None:
    """Print a table of runs."""
    listed = page["runs"]
    if not listed:
        terminal.line("no runs")
        return
    label = ("label",) if any(run.get("label") for run in listed) else ()  # older services have none
    terminal.listing(
        ("run", "status", "confidence", "created", *label, "question"), [_row(run, label) for run in listed]
    )
    if page["total"] > len(listed):
        terminal.line(f"{len(listed)} of {page['total']} runs; use --limit N or --all to list more")


def result(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """Print the result of a run: the answer, how the question was read, and the rest."""
    answer(terminal, found)
    if found["interpretation"]:
        in_short(terminal, found["interpretation"])
    findings(terminal, found)


def answer(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """Print the answer of a result and how far it can be trusted; runs from before these were stored have none."""
    if found["answer"]:
        terminal.prose(found["answer"], style="bold")
    for sentence in sentences(found["evidence"]) if found.get("evidence") else ():
        terminal.prose(sentence)


def findings(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """Print the scores, genes and pathways of a result."""
    reached = "threshold reached" if found["success"] else "no success"
    p_value = found.get("grounding_p_value")  # older services have none
    chance = "" if p_value is None else f" (p {p_value:.3f} by permuted treatment labels)"
    score = found["grounding_score"]
    worth = _not_judged(found) if score is None else f"{score} of 10, {reached}{chance}"
    terminal.line(f"grounding score: {worth}", "bold")
    terminal.prose(_stopped(found))
    terminal.line(f"control strategy: {found['control_strategy_effective']}")
    for iteration in found["iterations"]:
        terminal.line(
            f"iteration {iteration['number']}: {_score(iteration)}, {iteration['strategy']} prompts, "
            f"{iteration['duration_seconds']:.1f} s"
        )
        for part in iteration["components"]:
            name = part["name"].replace("_", " ")
            terminal.prose(f"{name}: {part['score'] or 'not scored'}. {part['reason']}", indent=2)
    terminal.line("")
    terminal.line(_called(found["num_de_genes"]), "bold")
    for direction in ("up", "down") if found["num_de_genes"] else ():
        genes: Iterable[Mapping[str, Any]] = found[f"top_{direction}regulated"][:GENES]
        listed = ", ".join(f"{gene['gene']} {_signed(gene['log2_fold_change'])}" for gene in genes)
        terminal.prose(f"most {direction}regulated (log2 fold change): {listed or 'none'}", indent=2)
    if found["num_de_genes"]:
        terminal.line("  ordered by the change of log1p(CP10k)", "dim")
    if found["enriched_pathways"]:
        if not found["num_de_genes"]:
            terminal.prose("These gene sets shift only as a whole: take them as a hint.", indent=2)
        table = empty_table()
        table.add_column("pathway")
        table.add_column("score", justify="right")
        table.add_column("adjusted p", justify="right")
        for pathway in found["enriched_pathways"][:PATHWAYS]:
            p = _p_value(pathway["adjusted_p_value"])
            table.add_row(plain(pathway["name"]), _signed(pathway["score"]), p)
        terminal.people.print(table)
    told = {caveat["detail"] for caveat in (found["interpretation"] or {}).get("caveats", ())}
    for note in found["notes"]:
        if note not in told:
            terminal.prose(f"note: {note}", style="dim")


def answers(terminal: Terminal, found: Answers) -> None:
    """Print the table of many questions, and below it what each refused or failed one needs."""
    headings = ("run", "status", "confidence", "expected r", "question")
    rows = [
        (row.run_id or "–", row.status, row.confidence or "–", _number(row.expected_r), row.question) for row in found
    ]
    terminal.listing(headings, rows)
    for row in found:
        if row.answer:
            terminal.line("")
            terminal.prose(row.question, style="bold")
            terminal.prose(row.answer, indent=2)
        elif row.reason or row.status != "completed":
            terminal.line("")
            terminal.prose(row.question, style="bold")
            terminal.prose(f"{row.status}: {row.reason}" if row.reason else row.status, indent=2, style="red")
            if row.suggestion:
                terminal.prose(f"You could ask: {row.suggestion}", indent=2)
    done = sum(row.status == "completed" for row in found)
    terminal.line("")
    terminal.line(f"{done} of {len(found)} questions have an answer", "bold")


def files(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """Print the files of a result, and the command that downloads them."""
    terminal.line("files:")
    for file in found["files"]:
        terminal.line(f"  {file['name']}  ({file['size'] / 1024:.0f} KiB)")
    terminal.line(f"To download them: haystack result {found['run_id']} --download DIR")


def validation(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """Print how the service reads a question, and whether a synthetic control is available."""
    interpretation(terminal, found["interpretation"], found["suggestions"])
    if not found["interpretation"]["answerable"]:
        return
    conditions = f", condition {', '.join(found['control_conditions'])}" if found["control_conditions"] else ""
    terminal.prose(
        f"matched controls: {found['control_cells_found']:,} cells from {len(found['control_donors'])} donors{conditions}"
        if found["synthetic_control_available"]
        else "matched controls: none, so no synthetic control is available"
    )
    terminal.line(f"recommended control strategy: {found['recommendation']}", "bold")
    if found["warning"]:
        terminal.prose(found["warning"], style="yellow")


def preview(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """Print whether a question would run, and how the service reads it."""
    terminal.line(f"would run: {'yes' if found['would_run'] else 'no'}", "green" if found["would_run"] else "red")
    if found["would_run"] and not found["validation"]["interpretation"]["answerable"]:
        terminal.prose("The language model decides how the question is read. Without it:", style="yellow")
    validation(terminal, found["validation"])


def datasets(terminal: Terminal, names: Sequence[str]) -> None:
    """Print the names of the datasets."""
    for name in names:
        terminal.line(name)


def dataset(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """Print what the catalog records about a dataset."""
    terminal.line(found["name"], "bold")
    terminal.prose(found["title"])
    terminal.prose(found["description"])
    ingested = "ingested" if found["ingested"] else "not ingested (runs cannot use its cells)"
    terminal.line(f"state: {ingested}{'; semi-synthetic' if found['semi_synthetic'] else ''}")
    for name in ("cells", "genes", "cell_types", "perturbations"):
        terminal.line(f"{name.replace('_', ' ')}: {_count(found[name])}")
    for name in ("donors", "control_conditions"):
        terminal.prose(f"{name.replace('_', ' ')}: {', '.join(map(str, found[name])) or 'unknown'}")
    terminal.prose(f"license: {found['licence']}")
    terminal.prose(f"source: {found['source']}")


def perturbations(terminal: Terminal, found: Sequence[Mapping[str, Any]]) -> None:
    """Print a table of perturbations."""
    rows = [
        (
            item["name"],
            item["type"],
            _cells(item["cell_count"]),
            _cells(item["control_count"]),
            _datasets(item),
        )
        for item in found
    ]
    terminal.listing(("perturbation", "type", "cells", "controls", "datasets"), rows)


def cell_types(terminal: Terminal, found: Sequence[Mapping[str, Any]]) -> None:
    """Print a table of cell types, and which cells stand in for those that it lacks."""
    terminal.prose(
        "Subtypes and close supertypes stand in for a type without enough cells (monocytes can be answered by mononuclear phagocytes); "
        "haystack validate shows which cells a question gets.",
        style="dim",
    )
    rows = [
        (item["name"], item["cell_ontology_id"] or "", _cells(item["cell_count"]), _datasets(item)) for item in found
    ]
    terminal.listing(("cell type", "Cell Ontology", "cells", "datasets"), rows)


def count(terminal: Terminal, shown: int, known: int, what: str) -> None:
    """Print how many of the known entries a list shows."""
    rest = "; --all lists those without enough cells in an ingested atlas" if shown < known else ""
    terminal.line(f"{shown} of {known} {what}{rest}", "dim")


def _datasets(item: Mapping[str, Any]) -> str:
    return ", ".join(item["datasets"])


def _cells(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _row(run: Mapping[str, Any], more: Iterable[str]) -> tuple[str, ...]:
    named = (run.get(name) or "" for name in more)
    confidence, created = run.get("confidence") or "–", _local_time(run["created_at"])
    return run["run_id"], run["status"], confidence, created, *named, run["query"]


def _not_judged(found: Mapping[str, Any]) -> str:
    """Return that a result cannot be judged, and why, if all parts of the score of its first iteration have the same reason."""
    reasons = {part["reason"].rstrip(".") for each in found["iterations"][:1] for part in each["components"]}
    why = reasons.pop().partition(": ")[2] if len(reasons) == 1 else ""
    return f"not judged{': ' * bool(why)}{why}"


def _score(iteration: Mapping[str, Any]) -> str:
    return "not judged" if iteration["score"] is None else f"score {iteration['score']}"


def _stopped(found: Mapping[str, Any]) -> str:
    """Return in a sentence why the search stopped; the field is a code, a colon and the reason."""
    code, _, reason = found["termination_reason"].partition(": ")
    if code == "score_threshold":
        threshold = reason.rpartition(" ")[2]
        reason = f"the score of {found['grounding_score']} reached the threshold of {threshold}"
    return f"Stopped because {reason or code}."


def _called(genes: int) -> str:
    return f"{genes} gene{'s' * (genes != 1)} called changed" if genes else "no gene is called changed"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _signed(number: float) -> str:
    return f"{number:+.2f}".replace("-", "−")


def _p_value(p: float) -> str:
    """Return a p-value as the report writes it."""
    if p >= 0.001:
        return f"{p:.3f}"
    if p <= 1e-300:
        return "< 1e−300"
    digits, _, exponent = f"{p:.1e}".partition("e-")
    return f"{digits}e−{int(exponent)}"


def _local_time(text: str) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M")


def _count(number: int | None) -> str:
    return "unknown" if number is None else f"{number:,}"

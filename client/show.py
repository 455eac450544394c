"""What the service answers about runs, laid out for people."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich import box
from rich.table import Table
from rich.text import Text

from client.progress import describe
from client.terminal import Terminal, plain

STYLES: Final = {"completed": "green", "failed": "red", "cancelled": "yellow"}
GENES: Final = 10
PATHWAYS: Final = 8


def table(*headings: str) -> Table:
    """An empty table of this program's style."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for heading in headings:
        made.add_column(heading)
    return made


def outcome(terminal: Terminal, run: Mapping[str, Any]) -> None:
    """How a run ended, or where it stands."""
    terminal.line(f"status: {run['status']}", STYLES.get(run["status"]))
    terminal.line(f"grounding scores: {' '.join(map(str, run['grounding_scores'])) or 'none'}")
    if run["error_message"]:
        terminal.prose(run["error_message"])
    if run["failure"]:
        terminal.prose(f"{run['failure']['reason']}: {run['failure']['advice']}")


def submitted(terminal: Terminal, run: Mapping[str, Any]) -> None:
    """That a run was accepted, and how to go on."""
    terminal.line(f"run: {run['run_id']}", "bold")
    terminal.line(f"haystack watch {run['run_id']} follows it")


def ended(terminal: Terminal, run: Mapping[str, Any]) -> None:
    """How a run ended, and how to go on."""
    outcome(terminal, run)
    if run["status"] == "completed":
        terminal.line(f"haystack result {run['run_id']} shows what it found")


def cancelled(terminal: Terminal, answer: Mapping[str, Any]) -> None:
    """That a run is cancelled."""
    terminal.line(f"{answer['run_id']} is {answer['status']}", STYLES.get(answer["status"]))


def status(terminal: Terminal, run: Mapping[str, Any]) -> None:
    """Everything about where a run stands."""
    terminal.prose(run["query"], style="bold")
    terminal.line(f"run: {run['run_id']}")
    outcome(terminal, run)
    if not run["done"]:
        terminal.line(f"at: {describe(run)}")
    if run["attempt"] != 1:
        terminal.line(f"attempt: {run['attempt']}, since the machine before was lost or never came")
    effective = run["control_strategy_effective"]
    instead = f" (asked for: {run['control_strategy']})" if effective not in {None, run["control_strategy"]} else ""
    terminal.line(f"control strategy: {effective or run['control_strategy']}{instead}")
    terminal.line(f"created: {moment(run['created_at'])}; last change: {moment(run['updated_at'])}")


def runs(terminal: Terminal, page: Mapping[str, Any]) -> None:
    """A table of runs."""
    listed = page["runs"]
    if not listed:
        terminal.line("no runs")
        return
    rows = [_row(run) for run in listed]
    made = table()
    for heading, *cells in zip(("run", "status", "scores", "created"), *(row[:-1] for row in rows), strict=True):
        # These are never cut; the question takes what they leave of the line.
        made.add_column(heading, no_wrap=True, min_width=max(map(len, (heading, *cells))))
    made.add_column("question")
    for *cells, question in rows:
        made.add_row(*cells, Text(question, no_wrap=True, overflow="ellipsis"))
    terminal.show(made)
    if page["total"] > len(listed):
        terminal.line(f"{len(listed)} of {page['total']} runs; --limit N or --all lists more")


def result(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """What a completed run found: score, genes, pathways."""
    reached = "reached" if found["success"] else "not reached"
    terminal.line(f"grounding score: {found['grounding_score']} of 10, threshold {reached}", "bold")
    terminal.prose(f"ended by {found['termination_reason']}; control strategy: {found['control_strategy_effective']}")
    for iteration in found["iterations"]:
        terminal.line(
            f"iteration {iteration['number']}: {iteration['score']} by {iteration['strategy']} prompts, "
            f"{iteration['duration_seconds']:.1f} s"
        )
        for part in iteration["components"]:
            name = part["name"].replace("_", " ")
            terminal.prose(f"{name}: {part['score'] or 'not judged'}. {part['reason']}", indent=2)
    terminal.line("")
    terminal.line(f"{found['num_de_genes']} differentially expressed genes", "bold")
    _genes(terminal, found)
    _pathways(terminal, found["enriched_pathways"])
    for note in found["notes"]:
        terminal.prose(f"note: {note}", style="dim")


def files(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """Which files a result has, and how to get them."""
    terminal.line("files:")
    for file in found["files"]:
        terminal.line(f"  {file['name']}  ({file['size'] / 1024:.0f} KiB)")
    terminal.line(f"haystack result {found['run_id']} --download DIR fetches them")


def validation(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """What a question was taken for, and whether a synthetic control can be had."""
    for role in ("cell_type", "perturbation"):
        terminal.prose(f"{role.replace('_', ' ')}: {_term(found[role])}")
    terminal.prose(f"datasets: {', '.join(found['datasets']) or 'none ingested'}")
    conditions = f" in {', '.join(found['control_conditions'])}" if found["control_conditions"] else ""
    terminal.prose(
        f"control cells: {found['control_cells_found']} of {len(found['control_donors'])} donors{conditions}"
        if found["synthetic_control_available"]
        else "control cells: no synthetic control can be had"
    )
    terminal.line(f"recommended control strategy: {found['recommendation']}", "bold")
    if found["warning"]:
        terminal.prose(found["warning"], style="yellow")


def preview(terminal: Terminal, found: Mapping[str, Any]) -> None:
    """What a submit would run."""
    terminal.line(f"would run: {'yes' if found['would_run'] else 'no'}", "green" if found["would_run"] else "red")
    if found["reason"]:
        terminal.prose(found["reason"])
    validation(terminal, found["validation"])


def moment(text: str) -> str:
    """A time of the service, in this machine's time zone."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M")


def _row(run: Mapping[str, Any]) -> tuple[str, ...]:
    scores = plain(" ".join(map(str, run["grounding_scores"])))
    question = plain(run["query"]).replace("\n", " ")
    return plain(run["run_id"]), plain(run["status"]), scores, moment(run["created_at"]), question


def _genes(terminal: Terminal, found: Mapping[str, Any]) -> None:
    for direction in ("up", "down"):
        genes: Iterable[Mapping[str, Any]] = found[f"top_{direction}regulated"][:GENES]
        listed = ", ".join(f"{gene['gene']} {gene['log2_fold_change']:+.1f}" for gene in genes)
        terminal.prose(f"most {direction} (log2 fold change): {listed or 'none'}", indent=2)


def _pathways(terminal: Terminal, pathways: Sequence[Mapping[str, Any]]) -> None:
    if not pathways:
        return
    made = table("pathway")
    made.add_column("score", justify="right")
    made.add_column("adjusted p", justify="right")
    for pathway in pathways[:PATHWAYS]:
        p = pathway["adjusted_p_value"]
        made.add_row(plain(pathway["name"]), f"{pathway['score']:+.1f}", f"{p:.1e}" if p else "< 1e-300")
    terminal.show(made)


def _term(term: Mapping[str, Any] | None) -> str:
    if term is None:
        return "not recognized"
    identity = f" ({term['cell_ontology_id']})" if term["cell_ontology_id"] else ""
    others = f"; could also be {', '.join(term['candidates'])}" if term["candidates"] else ""
    return f"{term['name']}{identity}, from “{term['matched_text']}” by {term['match']} match{others}"

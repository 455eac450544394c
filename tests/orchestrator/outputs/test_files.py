"""The files for programs, as docs/outputs.md and docs/run_log.schema.json describe them."""

import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from jsonschema import Draft202012Validator
from scipy import sparse

from orchestrator.evidence.differential import compare
from orchestrator.outputs.answer import gene_answers
from orchestrator.outputs.evidence import run_evidence
from orchestrator.outputs.files import write_log, write_predictions
from orchestrator.prediction.predictor import Prediction
from orchestrator.search.search import SearchResult
from shared.catalog.interpretation import AskedGene, CaveatCode, Direction, Interpretation, Relation
from tests.support.orchestrator.search_results import (
    N_CELLS,
    N_GENES,
    UNTESTED,
    caveat,
    make_interpretation,
    synthetic_result,
)
from tests.support.orchestrator.trust import unjudged, unknown_accuracy

DOCS = Path(__file__).parents[3] / "docs"
SCHEMA: dict[str, Any] = json.loads((DOCS / "run_log.schema.json").read_text(encoding="utf-8"))


def opened(result: SearchResult, folder: Path) -> ad.AnnData:
    """Open the predictions with scanpy; any warning is an error."""
    path = write_predictions(result, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return sc.read_h5ad(path)


def log_of(result: SearchResult, folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(write_log(result, folder).read_text(encoding="utf-8"))
    return document


def only(cells: ad.AnnData, condition: str) -> ad.AnnData:
    return cells[cells.obs["condition"] == condition]


def test_every_column_layer_and_key_of_the_predictions_is_documented_and_no_other(tmp_path: Path) -> None:
    cells = opened(synthetic_result(), tmp_path)
    tables = (cells.obs, cells.var, cells.layers, cells.obsm, cells.uns, cells.obs.index.names, cells.var.index.names)
    names = {name for table in tables for name in table}
    rows = re.findall(r"^- (`.+?`):", (DOCS / "outputs.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert documented == names


def test_the_predictions_hold_what_was_found(tmp_path: Path) -> None:
    result = synthetic_result()
    cells, found = opened(result, tmp_path), result.best.differential
    assert cells.shape == (3 * N_CELLS, N_GENES)
    predicted = only(cells, "predicted")
    assert predicted.obs["cell_id"].tolist()[:2] == ["synthetic:0", "synthetic:1"]
    assert set(cells.obs["donor"]) == {"donor 1", "donor 2"}
    assert predicted.obs[["cell_type", "perturbation", "prompt_strategy", "iteration", "grounding_score"]].iloc[
        0
    ].tolist() == [*("MDC", "IFN-gamma", "ontology", 2, 8)]
    assert np.array_equal(cells.var["log2_fold_change"], found.log2_fold_change)
    assert np.array_equal(cells.var["p_value"], found.p_value)
    assert np.array_equal(cells.var["adjusted_p_value"], found.adjusted_p)
    assert cells.var["is_de"].dtype == bool
    assert cells.var["is_de"].sum() == result.best.summary.num_de_genes
    assert not cells.var.loc[UNTESTED, "is_de"]
    assert set(cells.var_names[cells.var["target_gene"]]) == {"IFNGR1", "IFNGR2"} & set(found.genes)
    assert result.best.prediction.control is not None
    for condition, counts in (
        ("query", result.query.counts),
        ("control", result.best.prediction.control),
        ("predicted", result.best.prediction.perturbed),
    ):
        assert (only(cells, condition).layers["counts"] != counts).nnz == 0


def test_expression_is_log_normalized_from_the_counts(tmp_path: Path) -> None:
    cells = opened(synthetic_result(), tmp_path)
    assert (cells.X.dtype, cells.layers["counts"].dtype) == (np.float32, np.float32)
    again = ad.AnnData(cells.layers["counts"].copy())
    sc.pp.normalize_total(again, target_sum=1e4)
    sc.pp.log1p(again)
    assert abs(cells.X - again.X).max() < 1e-5


def test_every_condition_has_the_same_cells_and_only_predicted_ones_are_perturbed(tmp_path: Path) -> None:
    cells = opened(synthetic_result(), tmp_path)
    assert list(cells.obs["condition"].cat.categories) == ["query", "control", "predicted"]
    ids = [only(cells, condition).obs["cell_id"].tolist() for condition in ("query", "control", "predicted")]
    assert ids[0] == ids[1] == ids[2]
    perturbations = cells.obs.groupby("condition", observed=True)["perturbation"].unique()
    assert [list(each) for each in perturbations] == [["control"], ["control"], ["IFN-gamma"]]


def test_what_is_known_of_the_cells_has_the_columns_of_the_cellxgene_schema(tmp_path: Path) -> None:
    cells = opened(synthetic_result(), tmp_path)
    assert set(cells.obs["cell_type_ontology_term_id"]) == {"CL:0000113"}
    assert cells.obs["donor_id"].tolist() == cells.obs["donor"].tolist()
    assert set(cells.obs["sex_ontology_term_id"]) == {"unknown"}
    assert not cells.obs["is_primary_data"].any()
    assert cells.uns["default_embedding"] in cells.obsm


def test_the_predictions_tell_how_they_were_made(tmp_path: Path) -> None:
    result = synthetic_result(notes=("Something to know.",))
    uns = opened(result, tmp_path).uns
    assert (uns["run_id"], uns["query"], uns["random_seed"]) == (result.run.run_id, result.question.text, 7)
    assert uns["config"]["max_adjusted_p"] == 0.05
    assert re.fullmatch(r"\d+(\.\d+)+", uns["versions"]["scipy"])
    assert uns["iterations"]["score"].tolist() == [4, 8, 6]
    assert uns["iterations"]["network_coherence"].isna().all()
    assert uns["prompt"]["condition"].tolist() == ["IFNG", "IFNG"]
    assert uns["enrichment"]["name"].tolist() == [change.name for change in result.best.enrichment]
    assert list(uns["notes"]) == result.notes
    assert uns["semi_synthetic"]


@pytest.mark.timeout(240)  # numba compiles what scanpy calls
@pytest.mark.parametrize("control", [True, False])
def test_the_predictions_go_through_the_usual_steps_of_scanpy_without_a_warning(
    tmp_path: Path, *, control: bool
) -> None:
    cells = opened(synthetic_result(controls=control), tmp_path)
    assert ("control" in set(cells.obs["condition"])) is control
    reference = "control" if control else "query"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sc.pp.neighbors(cells)
        sc.tl.rank_genes_groups(cells, "condition", groups=["predicted"], reference=reference)
        sc.tl.rank_genes_groups(cells, "condition", groups=["predicted"], reference=reference, method="wilcoxon")
        sc.pp.highly_variable_genes(cells, n_top_genes=100)
        assert isinstance(sc.get.obs_df(cells, ["STAT1", "donor"]), pd.DataFrame)
        assert len(sc.get.rank_genes_groups_df(cells, "predicted")) == N_GENES
        cells.write_h5ad(tmp_path / "again.h5ad")
    assert "connectivities" in cells.obsp


def test_the_fold_changes_are_those_of_scanpy(tmp_path: Path) -> None:
    result = synthetic_result()
    rng = np.random.default_rng(3)
    rates = rng.gamma(0.5, 1.0, N_GENES)
    depth = rng.lognormal(0.0, 0.4, (N_CELLS, 1))
    control, perturbed = (
        sparse.csr_matrix(rng.poisson(rates * factor * depth).astype(np.float32))
        for factor in (1.0, rng.lognormal(0.0, 1.0, N_GENES))
    )
    found = compare(perturbed, control, result.best.differential.genes, result.config)
    best = replace(result.best, prediction=Prediction(perturbed, control), differential=found)
    cells = opened(replace(result, best=best), tmp_path)

    sc.tl.rank_genes_groups(cells, "condition", groups=["predicted"], reference="control")
    table = sc.get.rank_genes_groups_df(cells, "predicted").set_index("names")["logfoldchanges"].loc[cells.var_names]
    means = [
        np.expm1(np.asarray(only(cells, condition).X.mean(axis=0, dtype=np.float64)).ravel())
        for condition in ("predicted", "control")
    ]
    lower = np.minimum(*means)
    expressed = lower > 0
    assert expressed.sum() > N_GENES / 2
    # The derivative of log2((a + c) / (b + c)) in c is at most 1 / (min(a, b) ln 2), and c is our pseudocount instead of scanpy's 1e-9.
    limit = result.config.pseudocount / (lower[expressed] * np.log(2.0))
    difference = np.abs(table.to_numpy() - cells.var["log2_fold_change"].to_numpy())[expressed]
    assert np.all(difference <= limit + 1e-5)
    assert np.median(difference) < 1e-3
    assert np.abs(table.to_numpy()[expressed]).max() > 2


def test_a_run_that_moves_nothing_and_has_no_notes_is_written_all_the_same(tmp_path: Path) -> None:
    cells = opened(synthetic_result(scores=(1,), changed=False), tmp_path)
    assert not cells.var["is_de"].any()
    assert len(cells.uns["enrichment"]) == 0
    assert list(cells.uns["enrichment"].columns) == ["name", "score", "adjusted_p_value"]


def test_a_score_that_cannot_be_judged_is_missing_in_the_predictions_and_the_type_stays(tmp_path: Path) -> None:
    judged, not_judged = (opened(synthetic_result(scores=scores), tmp_path) for scores in ((8, None), (None, None)))
    assert judged.obs["grounding_score"].dtype == not_judged.obs["grounding_score"].dtype == np.float32
    assert not_judged.obs["grounding_score"].isna().all()
    for cells, missing in ((judged, [False, True]), (not_judged, [True, True])):
        assert cells.uns["iterations"]["score"].dtype == float
        assert cells.uns["iterations"]["score"].isna().tolist() == missing


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    for folder in (first, again):
        folder.mkdir()
        write_predictions(synthetic_result(), folder)
        write_log(synthetic_result(), folder)
    for path in first.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_the_log_names_what_is_known_about_the_perturbation(tmp_path: Path) -> None:
    known = log_of(synthetic_result(), tmp_path)["prior_knowledge"]
    assert (known["targets"], known["receptors"]) == (["IFNG"], ["IFNGR1", "IFNGR2"])
    assert known["expected_pathways"][0] == "HALLMARK_INTERFERON_GAMMA_RESPONSE"


@pytest.mark.parametrize("result", [synthetic_result(), unknown_accuracy(), unjudged()])
def test_the_predictions_and_the_log_carry_the_same_evidence(tmp_path: Path, result: SearchResult) -> None:
    uns, document = opened(result, tmp_path).uns, log_of(result, tmp_path)
    assert (
        json.loads(uns["haystack"]["evidence"]) == document["evidence"] == run_evidence(result).model_dump(mode="json")
    )
    assert np.isnan(uns["p_value"]) == (document["p_value"] is None)


def test_the_predictions_and_the_log_carry_the_interpretation_unchanged(tmp_path: Path) -> None:
    dose = caveat(CaveatCode.DOSE, "100 ng/ml", "The dose is not taken into account.")
    wanted = make_interpretation(genes=[AskedGene(symbol="STAT1", direction=Direction.UP)], caveats=[dose])
    result = synthetic_result(interpretation=wanted)
    stored = opened(result, tmp_path).uns["haystack"]["interpretation"]
    assert Interpretation.model_validate_json(stored) == wanted
    document = log_of(result, tmp_path)
    assert Interpretation.model_validate(document["interpretation"]) == wanted
    assert document["gene_answers"] == [each.model_dump(mode="json") for each in gene_answers(result)]
    assert document["answer"].startswith("Yes: IFN-gamma is predicted to raise STAT1")
    assert dose.detail in document["notes"]


def test_cells_predicted_from_a_related_perturbation_are_labeled_with_it(tmp_path: Path) -> None:
    cells = opened(synthetic_result(related_only=True), tmp_path)
    assert set(only(cells, "predicted").obs["perturbation"]) == {"IFN-beta"}


def test_the_log_is_as_its_schema_tells_and_holds_nothing_that_the_schema_does_not_name(tmp_path: Path) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    validator = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
    for result in (
        synthetic_result(),
        synthetic_result(
            interpretation=make_interpretation(
                relation=Relation.EXACT,
                genes=[AskedGene(symbol=symbol, direction=Direction.ANY) for symbol in ("STAT1", UNTESTED, "NOGENE")],
                caveats=[caveat(CaveatCode.TIME, "6 h", "The time is not taken into account.")],
            )
        ),
        synthetic_result(scores=(None, None)),
        synthetic_result("Wie wirkt „IFN-γ“ auf CD14-Monozyten?", scores=(1,), changed=False),
        unknown_accuracy(),
        unjudged(),
    ):
        document = log_of(result, tmp_path)
        assert [error.message for error in validator.iter_errors(document)] == []
        assert list(unnamed(document, SCHEMA)) == []
        assert document["query"] == result.question.text


@pytest.mark.parametrize(
    ("change", "value"), [("grounding_score", 11), ("iterations", []), ("random_seed", "7"), ("versions", None)]
)
def test_the_schema_refuses_a_log_that_is_wrong(tmp_path: Path, change: str, value: object) -> None:
    document = log_of(synthetic_result(), tmp_path) | {change: value}
    assert not Draft202012Validator(SCHEMA).is_valid(document)


def unnamed(value: object, schema: dict[str, Any], path: str = "log") -> Iterator[str]:
    """Yield the fields that the schema does not name."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    if isinstance(value, list):
        for each in value:
            yield from unnamed(each, schema.get("items", {}), f"{path}[]")
    elif isinstance(value, dict) and "additionalProperties" not in schema:
        for name, each in value.items():
            if name not in schema.get("properties", {}):
                yield f"{path}.{name}"
            else:
                yield from unnamed(each, schema["properties"][name], f"{path}.{name}")

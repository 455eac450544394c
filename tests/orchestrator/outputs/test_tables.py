"""The tables as files: genes, gene sets with their leading edge, and ranked genes."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.evidence.gene_sets import expectations, hallmark
from orchestrator.outputs.tables import Ranking, ranking, write_gene_sets, write_genes, write_ranked_genes
from orchestrator.search.search import SearchResult
from tests.support.orchestrator.search_results import FALLING, N_GENES, RISING, UNTESTED, synthetic_result


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def ranked_lines(result: SearchResult, folder: Path) -> list[list[str]]:
    text = write_ranked_genes(result, folder).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.split("\n")[:-1]]


def test_all_genes_are_listed_the_surest_first(tmp_path: Path) -> None:
    result = synthetic_result()
    found, rows = result.best.differential, rows_of(write_genes(result, tmp_path))
    assert len(rows) == N_GENES
    sizes = [abs(float(row["z"])) for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    by_gene = {row["gene"]: row for row in rows}
    assert set(by_gene) == set(found.genes)
    first = by_gene[RISING[0]]
    assert float(first["log2_fold_change"]) == pytest.approx(found.log2_fold_change[0], rel=1e-5)
    assert float(first["adjusted_p_value"]) == pytest.approx(found.adjusted_p[0], rel=1e-5)
    wanted = {"is_de": "true", "donors_agreeing": "2", "donors": "2", "known_responder": "true"}
    assert first.items() >= wanted.items()
    assert by_gene[UNTESTED].items() >= {"z": "0", "p_value": "1", "is_de": "false", "known_responder": "false"}.items()


def test_pandas_reads_the_tables_with_numbers_and_truth_values(tmp_path: Path) -> None:
    genes = pd.read_csv(write_genes(synthetic_result(), tmp_path))
    assert set(genes["gene"][genes["is_de"]]) == {*RISING, *FALLING}
    sets = pd.read_csv(write_gene_sets(synthetic_result(), tmp_path))
    assert sets["expected"].dtype == bool
    assert sets["score"].is_monotonic_decreasing


def test_every_tested_gene_set_is_listed_with_its_leading_edge(tmp_path: Path) -> None:
    result = synthetic_result()
    rows = rows_of(write_gene_sets(result, tmp_path))
    assert [row["name"] for row in rows] == [change.name for change in result.best.enrichment]
    first = rows[0]
    wanted = {"name": "HALLMARK_INTERFERON_GAMMA_RESPONSE", "collection": "Hallmark", "expected": "true"}
    assert first.items() >= wanted.items()
    members = hallmark()[first["name"]]
    assert int(first["n_genes"]) == len(members & set(result.best.differential.genes))
    edge = first["leading_edge"].split(";")
    assert edge[: len(RISING)] == [gene for gene in RISING if gene in members]
    assert {row["collection"] for row in rows} == {"Hallmark", "Reactome"}
    assert {row["name"] for row in rows if row["expected"] == "true"} <= set(expectations()["IFN-gamma"].gene_sets)


def test_ranked_genes_have_two_columns_and_no_heading_the_largest_z_first(tmp_path: Path) -> None:
    lines = ranked_lines(synthetic_result(), tmp_path)
    assert {len(line) for line in lines} == {2}
    values = [float(z) for _, z in lines]
    assert values == sorted(values, reverse=True)
    assert (lines[0][0], lines[-1][0]) == (RISING[0], FALLING[0])
    # A gene that was not tested has no rank.
    assert UNTESTED not in {gene for gene, _ in lines}
    assert len(lines) == N_GENES - 1


@pytest.mark.parametrize("name", ['A,"B"', "=1+1", "-2+3", "@SUM(A1)", "+1", "two\nlines", "\ttab", "HLA-A", "déjà"])
def test_an_odd_gene_name_stays_one_cell_and_no_formula(tmp_path: Path, name: str) -> None:
    result = synthetic_result(renamed={RISING[0]: name})
    row = rows_of(write_genes(result, tmp_path))[0]
    assert row["gene"] in {name, f"'{name}"}
    assert not row["gene"].startswith(("=", "+", "-", "@", "\t"))
    assert row["known_responder"] == "false"
    lines = ranked_lines(result, tmp_path)
    assert lines[0][0] == " ".join(name.split())
    assert {len(line) for line in lines} == {2}


def test_a_result_without_a_tested_gene_has_tables_all_the_same(tmp_path: Path) -> None:
    result = synthetic_result(scores=(1,), changed=False)
    nothing = replace(result.best.differential, statistic=np.zeros(N_GENES))
    result = replace(result, best=replace(result.best, differential=nothing))
    assert len(rows_of(write_genes(result, tmp_path))) == N_GENES
    assert rows_of(write_gene_sets(result, tmp_path)) == []
    assert write_ranked_genes(result, tmp_path).read_bytes() == b""


def test_a_leading_edge_by_hand() -> None:
    ranked = Ranking("abcdefgh", np.array([5.0, 4.0, 3.0, 2.0, 1.0, -0.5, -1.0, -9.0]))
    # a: 5/9 = 0.56, b: 0.36, c: 0.69, d: 0.49, e: 0.60, f: 0.40, g: 0.20, h: 0
    assert ranked.leading_edge({"a", "c", "e"}, rises=True) == ["a", "c"]
    assert ranked.leading_edge({"a", "g"}, rises=True) == ["a"]
    assert ranked.leading_edge({"g", "h"}, rises=False) == ["h", "g"]
    assert ranked.leading_edge({"a", "h"}, rises=False) == ["h"]
    assert ranked.leading_edge({"h"}, rises=True) == []
    assert ranked.leading_edge({"unknown"}, rises=True) == []


@given(
    st.lists(st.floats(-20, 20).filter(lambda z: abs(z) > 0.01), min_size=2, max_size=40, unique=True),
    st.data(),
    st.booleans(),
)
def test_the_leading_edge_ends_at_the_maximum_of_the_running_sum(
    values: list[float], data: st.DataObject, rises: bool
) -> None:
    z = np.array(sorted(values, reverse=True))
    genes = [f"G{i}" for i in range(len(z))]
    members = data.draw(st.sets(st.sampled_from(genes), min_size=1))
    edge = Ranking(genes, z).leading_edge(members, rises=rises)
    order = genes if rises else genes[::-1]
    weight = dict(zip(genes, np.abs(z), strict=True))
    total, others = sum(weight[gene] for gene in members), max(len(genes) - len(members), 1)
    running = np.cumsum([weight[gene] / total if gene in members else -1 / others for gene in order])
    highest = running.max()
    assert edge == [gene for gene in order if gene in members][: len(edge)]
    if edge:
        assert running[order.index(edge[-1])] == pytest.approx(highest, abs=1e-9)
    else:
        assert highest <= 1e-9


def test_only_tested_genes_are_ranked() -> None:
    found = synthetic_result().best.differential
    ranked = ranking(found)
    assert len(ranked.genes) == int((found.statistic != 0).sum())
    assert np.all(np.diff(ranked.z) <= 0)

"""The functions that read the catalog: validate and metadata."""

import httpx
import pytest

from shared import wiring
from tests.support.catalogs import large_entry

VALIDATE = "/api/v1/runs/validate-control-strategy"


async def test_a_question_that_the_catalog_can_answer(api: httpx.AsyncClient) -> None:
    answer = await api.post(VALIDATE, json={"query": "How would CD14 monocytes respond to IFN-gamma?"})
    body = answer.json()
    assert answer.status_code == 200
    assert body["synthetic_control_available"]
    assert (body["control_cells_found"], body["control_donors"]) == (20, ["donor_1", "donor_2"])
    assert (body["control_conditions"], body["recommendation"]) == (["PBS"], "synthetic_control")
    assert body["cell_type"]["cell_ontology_id"] == "CL:0001054"
    assert body["perturbation"]["name"] == "IFN-gamma"
    assert body["datasets"] == ["small_pbmc"]


async def test_a_question_that_the_catalog_cannot_answer(api: httpx.AsyncClient) -> None:
    body = (await api.post(VALIDATE, json={"query": "What does IL-15 do to NK cells?"})).json()
    assert not body["interpretation"]["answerable"]
    assert not body["synthetic_control_available"]
    assert (body["control_cells_found"], body["datasets"]) == (0, [])
    assert "cannot be answered" in body["warning"]


async def test_datasets_are_names_and_the_three_references_are_among_them(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/v1/metadata/datasets")
    assert answer.json() == ["openproblems", "parse_pbmc", "small_pbmc", "tabula_sapiens"]


async def test_perturbations_carry_counts_only_where_cells_were_ingested(api: httpx.AsyncClient) -> None:
    found = {entry["name"]: entry for entry in (await api.get("/api/v1/metadata/perturbations?all=true")).json()}
    assert found["IFN-gamma"]["cell_count"] == 40
    assert found["IFN-gamma"]["control_count"] == 40
    assert set(found["IFN-gamma"]["datasets"]) == {"parse_pbmc", "small_pbmc"}
    assert found["IL-15"]["cell_count"] is None
    assert "PBS" not in found
    assert len(found) >= 90 + 146 - 1


async def test_lists_have_by_default_only_what_can_be_asked(api: httpx.AsyncClient) -> None:
    for query in ("", "?all=false", "?dataset=small_pbmc"):
        perturbations = (await api.get(f"/api/v1/metadata/perturbations{query}")).json()
        cell_types = (await api.get(f"/api/v1/metadata/cell-types{query}")).json()
        assert [entry["name"] for entry in perturbations] == ["IFN-gamma"]
        assert [entry["cell_count"] for entry in cell_types] == [40, 40]
    for subject in ("perturbations", "cell-types"):
        listed = (await api.get(f"/api/v1/metadata/{subject}")).json()
        known = (await api.get(f"/api/v1/metadata/{subject}?all=true")).json()
        assert all(entry in known for entry in listed)
        assert (await api.get(f"/api/v1/metadata/{subject}?dataset=parse_pbmc")).json() == []
        assert len((await api.get(f"/api/v1/metadata/{subject}?dataset=parse_pbmc&all=true")).json()) >= 18
        assert (await api.get(f"/api/v1/metadata/{subject}?all=1")).json()["errors"][0]["loc"] == ["query", "all"]


async def test_metadata_can_be_filtered_by_dataset(api: httpx.AsyncClient) -> None:
    perturbations = (await api.get("/api/v1/metadata/perturbations?dataset=small_pbmc")).json()
    cell_types = (await api.get("/api/v1/metadata/cell-types?dataset=small_pbmc")).json()
    assert [entry["name"] for entry in perturbations] == ["IFN-gamma"]
    assert {entry["cell_ontology_id"] for entry in cell_types} == {"CL:0000113", "CL:0000623"}


async def test_metadata_may_be_cached(api: httpx.AsyncClient) -> None:
    first = await api.get("/api/v1/metadata/cell-types")
    assert "max-age" in first.headers["cache-control"]
    again = await api.get("/api/v1/metadata/cell-types", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304


async def test_an_observational_question_gets_the_reason(api: httpx.AsyncClient) -> None:
    body = (await api.post(VALIDATE, json={"query": "What do NK cells look like in blood?"})).json()
    assert (body["perturbation"], body["recommendation"]) == (None, "query_as_control")
    assert "no_perturbation" in {caveat["code"] for caveat in body["interpretation"]["caveats"]}


async def test_things_that_match_equally_are_candidates(api: httpx.AsyncClient) -> None:
    body = (await api.post(VALIDATE, json={"query": "Do NK cells respond to IL-12 or IL-18?"})).json()
    assert body["perturbation"]["candidates"] == ["IL-12", "IL-18"]
    reasons = " ".join(caveat["detail"] for caveat in body["interpretation"]["caveats"] if caveat["blocking"])
    assert "IL-12" in reasons
    assert "IL-18" in reasons


async def test_a_perturbation_has_its_synonyms_targets_and_receptors(api: httpx.AsyncClient) -> None:
    found = {entry["name"]: entry for entry in (await api.get("/api/v1/metadata/perturbations?all=true")).json()}
    gamma = found["IFN-gamma"]
    assert (gamma["type"], gamma["targets"], gamma["receptors"]) == ("cytokine", ["IFNG"], ["IFNGR1", "IFNGR2"])
    assert "IFN-γ" in gamma["synonyms"]
    assert found["Imatinib"]["type"] == "compound"
    assert "Gleevec" in found["Imatinib"]["synonyms"]


async def test_a_cell_type_has_its_lineage_datasets_and_count(api: httpx.AsyncClient) -> None:
    found = {entry["name"]: entry for entry in (await api.get("/api/v1/metadata/cell-types?all=true")).json()}
    killer = found["natural killer cell"]
    assert (killer["cell_ontology_id"], killer["lineage"]) == ("CL:0000623", "immune/lymphoid")
    assert killer["datasets"] == ["openproblems", "parse_pbmc", "small_pbmc", "tabula_sapiens"]
    assert killer["cell_count"] == 40
    assert (found["hepatocyte"]["lineage"], found["hepatocyte"]["cell_count"]) == ("epithelial", None)


async def test_a_dataset_is_described(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/v1/metadata/datasets/small_pbmc")
    assert answer.json() == {
        "name": "small_pbmc",
        "title": "A small data set",
        "description": "For a test.",
        "licence": "MIT",
        "source": "made here",
        "ingested": True,
        "semi_synthetic": False,
        "cells": 80,
        "genes": 5,
        "donors": ["donor_1", "donor_2"],
        "control_conditions": ["PBS"],
        "perturbations": 1,
        "cell_types": 2,
    }
    assert "max-age" in answer.headers["cache-control"]
    again = await api.get("/api/v1/metadata/datasets/small_pbmc", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


async def test_a_reference_dataset_is_described_before_it_is_ingested(api: httpx.AsyncClient) -> None:
    body = (await api.get("/api/v1/metadata/datasets/parse_pbmc")).json()
    assert (body["ingested"], body["perturbations"], body["cell_types"]) == (False, 90, 18)
    assert (body["cells"], len(body["donors"]), body["control_conditions"]) == (9697974, 12, ["PBS"])


async def test_a_screen_with_10_000_guides_is_listed_by_pages(api: httpx.AsyncClient) -> None:
    await wiring.container().catalog.put(large_entry(donors=1, cell_types=1))
    found, path = [], "/api/v1/metadata/perturbations?dataset=guides"
    while path:
        answer = await api.get(path)
        assert answer.status_code == 200
        assert len(answer.content) < 250_000
        found += [entry["name"] for entry in answer.json()]
        path = answer.links.get("next", {}).get("url", "")
    assert sorted(found) == sorted(f"GENE{number}" for number in range(10_000))
    assert found == sorted(found, key=str.casefold)


async def test_pages_have_bounds_and_a_page_behind_the_last_is_empty(api: httpx.AsyncClient) -> None:
    known = (await api.get("/api/v1/metadata/perturbations?all=true")).json()
    first = await api.get("/api/v1/metadata/perturbations?all=true&page_size=10")
    assert first.json() == known[:10]
    assert first.links["next"]["url"] == "/api/v1/metadata/perturbations?all=true&page_size=10&page=2"
    assert (await api.get(first.links["next"]["url"])).json() == known[10:20]
    last = await api.get("/api/v1/metadata/perturbations?all=true&page=10000")
    assert (last.json(), "link" in last.headers) == ([], False)
    for query in ("page=0", "page_size=1001", "page_size=x"):
        assert (await api.get(f"/api/v1/metadata/cell-types?{query}")).status_code == 422


@pytest.mark.parametrize("path", ["datasets/atlantis", "perturbations?dataset=atlantis", "datasets?dataset=atlantis"])
async def test_an_unknown_dataset_is_not_found_and_the_known_ones_are_listed(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(f"/api/v1/metadata/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "dataset_not_found")
    assert "openproblems, parse_pbmc, small_pbmc, tabula_sapiens" in answer.json()["detail"]

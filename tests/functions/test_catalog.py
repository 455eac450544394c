"""The functions that read the catalog: validate and metadata."""

import httpx

VALIDATE = "/api/v1/runs/validate-control-strategy"


async def test_a_question_that_the_catalog_can_answer(api: httpx.AsyncClient) -> None:
    answer = await api.post(VALIDATE, json={"query": "How would CD14 monocytes respond to IFN-gamma?"})
    told = answer.json()
    assert answer.status_code == 200
    assert told["synthetic_control_available"]
    assert (told["control_cells_found"], told["control_donors"]) == (20, ["donor_1", "donor_2"])
    assert (told["control_conditions"], told["recommendation"]) == (["PBS"], "synthetic_control")
    assert told["cell_type"]["cell_ontology_id"] == "CL:0001054"
    assert told["perturbation"]["name"] == "IFN-gamma"
    assert told["datasets"] == ["small_pbmc"]


async def test_a_perturbation_that_no_ingested_dataset_has(api: httpx.AsyncClient) -> None:
    told = (await api.post(VALIDATE, json={"query": "What does IL-15 do to NK cells?"})).json()
    assert not told["synthetic_control_available"]
    assert told["control_cells_found"] == 0
    assert "IL-15" in told["warning"]


async def test_datasets_are_names_and_the_three_references_are_among_them(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/v1/metadata/datasets")
    assert answer.json() == ["openproblems", "parse_pbmc", "small_pbmc", "tabula_sapiens"]


async def test_perturbations_carry_counts_only_where_cells_were_ingested(api: httpx.AsyncClient) -> None:
    found = {entry["name"]: entry for entry in (await api.get("/api/v1/metadata/perturbations")).json()}
    assert found["IFN-gamma"]["cell_count"] == 40
    assert found["IFN-gamma"]["control_count"] == 40
    assert set(found["IFN-gamma"]["datasets"]) == {"parse_pbmc", "small_pbmc"}
    assert found["IL-15"]["cell_count"] is None
    assert "PBS" not in found
    assert len(found) >= 90 + 146 - 1


async def test_metadata_can_keep_to_a_dataset(api: httpx.AsyncClient) -> None:
    perturbations = (await api.get("/api/v1/metadata/perturbations?dataset=small_pbmc")).json()
    cell_types = (await api.get("/api/v1/metadata/cell-types?dataset=small_pbmc")).json()
    assert [entry["name"] for entry in perturbations] == ["IFN-gamma"]
    assert {entry["cell_ontology_id"] for entry in cell_types} == {"CL:0000113", "CL:0000623"}


async def test_metadata_may_be_kept_for_a_while(api: httpx.AsyncClient) -> None:
    first = await api.get("/api/v1/metadata/cell-types")
    assert "max-age" in first.headers["cache-control"]
    again = await api.get("/api/v1/metadata/cell-types", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304

"""Genes become unique human symbols, wherever a file names them."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from orchestrator.atlas.atlas import AtlasUnusable
from orchestrator.ingest.count_matrix import merged
from orchestrator.ingest.genes import INDEX, Genes, ensembl_symbols, read_genes
from shared.resolver.genes import gene_symbols

SYMBOLS = ["ISG15", "IFI6", "MX1", "STAT1", "CD14", "CD3E", "ACTB", "GAPDH", "IRF7", "OAS1"]
IDS = [f"ENSG9{i:010}" for i in range(10)]
# Real ids of ISG15, IFI6, MX1, STAT1, CD14.
REAL_IDS = ["ENSG00000187608", "ENSG00000126709", "ENSG00000157601", "ENSG00000115415", "ENSG00000170458"]


def var(index: list[str], **columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns, index=pd.Index(index))


@pytest.mark.parametrize(
    ("table", "place"),
    [
        (var(SYMBOLS), INDEX),
        (var(SYMBOLS, gene_ids=IDS), INDEX),
        (var(IDS, feature_name=SYMBOLS), "var['feature_name']"),
        (var(IDS, feature_name=pd.Categorical(SYMBOLS)), "var['feature_name']"),
        (var([f"{each}.7" for each in IDS], anything=SYMBOLS), "var['anything']"),
        (var([str(i) for i in range(10)], gene_symbols=SYMBOLS), "var['gene_symbols']"),
        (var([f"{gene}_{each}" for gene, each in zip(SYMBOLS, IDS, strict=True)]), INDEX),
        (var([f"{each}|{gene}" for gene, each in zip(SYMBOLS, IDS, strict=True)]), INDEX),
        (var([f"GRCh38_{gene}" for gene in SYMBOLS]), INDEX),
        (var([f"hg19_{gene}" for gene in SYMBOLS]), INDEX),
        (var([f"GRCh38______{gene}" for gene in SYMBOLS]), INDEX),
        (var([gene.lower() for gene in SYMBOLS]), INDEX),
        (var(IDS, name=SYMBOLS, kind=["protein_coding"] * 10, length=range(10)), "var['name']"),
    ],
)
def test_symbols_are_found_wherever_they_are(table: pd.DataFrame, place: str) -> None:
    genes = read_genes(table)
    assert (list(genes.symbols), genes.named_by, genes.known_share) == (SYMBOLS, place, 1.0)
    assert genes.column_of.tolist() == list(range(10))


def test_a_prefix_and_a_change_of_case_are_noted() -> None:
    assert read_genes(var([f"GRCh38_{gene}" for gene in SYMBOLS])).notes == (
        "the prefix GRCh38 of gene names is removed",
    )
    (note,) = read_genes(var([gene.lower() for gene in SYMBOLS])).notes
    assert note == "10 symbols are written in their usual case (isg15 → ISG15, ifi6 → IFI6)"


def test_open_reading_frames_have_their_usual_case() -> None:
    """Regression: C19orf66, which the list of symbols has in upper case only, was renamed."""
    assert read_genes(var(["C19orf66", "C5orf56", "C1orf112"])).notes == ()
    assert read_genes(var(["C19ORF66", "C5orf56", "ISG15"])).symbols == ("C19orf66", "C5orf56", "ISG15")


def test_a_column_can_be_named() -> None:
    table = var(SYMBOLS, other=SYMBOLS[::-1])
    assert list(read_genes(table, "other").symbols) == SYMBOLS[::-1]
    with pytest.raises(AtlasUnusable, match=r"no column missing. Available: other"):
        read_genes(table, "missing")


def test_counts_of_one_symbol_are_added_and_noted() -> None:
    """Regression: the second gene of a symbol became a gene of its own, and the counts were split."""
    genes = read_genes(var(IDS[:4], feature_name=["ISG15", "MX1", "ISG15", "CD14"]))
    assert genes.symbols == ("ISG15", "MX1", "CD14")
    assert genes.notes == ("1 symbols name several genes (ISG15): the counts of 2 genes are added by symbol",)
    rows = sparse.csr_matrix(np.array([[1, 2, 3, 4], [0, 0, 5, 0]], dtype=np.float32))
    assert merged(rows, genes).toarray().tolist() == [[4, 2, 4], [5, 0, 0]]


def test_numbers_that_make_names_unique_are_undone() -> None:
    genes = read_genes(var(["ISG15", "MX1", "ISG15-1", "HLA-A", "NKX2-1", "NKX2", "MT-CO1", "ISG15.2"]))
    assert genes.symbols == ("ISG15", "MX1", "HLA-A", "NKX2-1", "NKX2", "MT-CO1")


@pytest.mark.parametrize("missing", ["nan", "", "None", "NA", " ", None, np.nan, 17, 3.5, "17", "1e5", "N/A", "<NA>"])
def test_genes_without_a_symbol_are_left_out_and_noted(missing: object) -> None:
    """Regression: genes named "nan"."""
    genes = read_genes(var(IDS, gene_symbol=pd.Series([missing, *SYMBOLS[1:9], missing], dtype=object).to_numpy()))
    assert list(genes.symbols) == SYMBOLS[1:9]
    assert genes.column_of.tolist() == [-1, *range(8), -1]
    assert genes.notes == ("2 of 10 genes have no symbol and are left out",)


def test_counts_of_left_out_genes_are_left_out() -> None:
    genes = Genes(("B", "A"), np.array([1, -1, 0, 1]), 1.0, INDEX)
    rows = sparse.csr_matrix(np.array([[1, 2, 3, 4], [0, 7, 0, 0]], dtype=np.float32))
    found = merged(rows, genes)
    assert found.toarray().tolist() == [[3, 5], [0, 0]]
    assert found.has_sorted_indices


@pytest.mark.parametrize("version", ["", ".12"])
def test_ensembl_ids_alone_are_translated(version: str) -> None:
    genes = read_genes(var([f"{each}{version}" for each in REAL_IDS]))
    assert genes.symbols == ("ISG15", "IFI6", "MX1", "STAT1", "CD14")
    assert "GENCODE" in genes.named_by


def test_unknown_ensembl_ids_alone_are_refused() -> None:
    with pytest.raises(AtlasUnusable, match=r"Only 0 of 10 genes have a symbol.*--symbol-column"):
        read_genes(var(IDS))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (var([gene.capitalize() for gene in SYMBOLS]), r"mouse \(Isg15"),
        (var([f"mm10_{gene.capitalize()}" for gene in SYMBOLS]), r"mouse \(Isg15"),
        (var([f"ENSMUSG{i:011}" for i in range(10)]), "mouse .Ensembl ids such as ENSMUSG00000000000"),
        (var([f"ENSMUSG{i:011}" for i in range(10)], name=[gene.capitalize() for gene in SYMBOLS]), "mouse"),
        (var([gene.capitalize() for gene in SYMBOLS], gene_ids=[f"ENSRNOG{i:011}" for i in range(10)]), "rat"),
        (var(SYMBOLS, gene_ids=[f"ENSMMUG{i:011}" for i in range(10)]), "macaque"),
    ],
)
def test_genes_of_other_species_are_refused_with_what_to_do(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(AtlasUnusable, match=f"{message}.*orthologs.*--organism human"):
        read_genes(table)


def test_genes_are_human_if_the_person_says_so() -> None:
    genes = read_genes(var([gene.capitalize() for gene in SYMBOLS]), organism="human")
    assert list(genes.symbols) == SYMBOLS
    assert genes.notes[0].startswith("warning: the genes are written like those of a mouse")
    with pytest.raises(AtlasUnusable, match="--organism mouse: only human genes"):
        read_genes(var(SYMBOLS), organism="mouse")


def test_human_genes_of_a_mixed_file_are_kept() -> None:
    mixed = [f"GRCh38_{gene}" for gene in SYMBOLS] + [f"mm10___{gene.capitalize()}" for gene in SYMBOLS]
    genes = read_genes(var(mixed))
    assert list(genes.symbols) == SYMBOLS
    assert "10 mouse genes are left out" in genes.notes
    genomes = var(SYMBOLS + [gene.capitalize() for gene in SYMBOLS], genome=["GRCh38"] * 10 + ["mm10"] * 10)
    assert list(read_genes(genomes).symbols) == SYMBOLS


def test_other_features_and_spike_ins_are_left_out() -> None:
    kinds = ["Gene Expression"] * 10 + ["Antibody Capture"] + ["Gene Expression"]
    genes = read_genes(var([*SYMBOLS, "CD3_TotalSeq", "ERCC-00002"], feature_types=kinds))
    assert list(genes.symbols) == SYMBOLS
    assert len(genes.notes) == 2


@pytest.mark.parametrize(
    ("column", "gene", "other"),
    [
        ("feature_types", "GEX", "ADT"),  # the bone marrow of NeurIPS 2021, whose antibodies have names of genes
        ("feature_types", "Gene_Expression", "Peaks"),
        ("feature_biotype", "gene", "spike-in"),
        ("modality", "rna", "prot"),
    ],
)
def test_regression_other_features_are_left_out_however_a_column_names_them(column: str, gene: str, other: str) -> None:
    genes = read_genes(var([*SYMBOLS, "CD86"], **{column: [gene] * 10 + [other]}))
    assert list(genes.symbols) == SYMBOLS
    assert "1 of 11 features are no genes and are left out" in genes.notes


def test_biotypes_of_genes_leave_none_out() -> None:
    genes = read_genes(var(SYMBOLS, feature_type=["protein_coding"] * 9 + ["lncRNA"]))
    assert list(genes.symbols) == SYMBOLS


def test_made_up_genes_are_refused_with_the_share_and_examples() -> None:
    with pytest.raises(AtlasUnusable, match=re.escape("Only 40% of the genes in the index of var") + ".*G0, G1, G2"):
        read_genes(var([*SYMBOLS[:4], *(f"G{i}" for i in range(6))]))
    assert read_genes(var([*SYMBOLS[:5], *(f"G{i}" for i in range(5))])).known_share == 0.5


def test_names_that_no_list_contains_do_not_count_as_unknown() -> None:
    clones = ["AC012345.1", "RP11-34P13.7", "LINC09999", "LOC100287102", "AL627309.1", "FOO-AS1", "CTD-2006K23.1"]
    assert read_genes(var([*SYMBOLS[:3], *clones])).known_share == 1.0


def test_the_table_of_ensembl_ids_is_complete() -> None:
    known = ensembl_symbols()
    assert len(known) > 25_000
    assert known[187608] == "ISG15"


def test_regression_an_atlas_of_which_nearly_all_genes_lack_a_symbol_is_refused() -> None:
    known = [f"ENSG{number:011}" for number in list(ensembl_symbols())[:300]]
    unknown = [f"ENSG9{number:010}" for number in range(2000)]
    with pytest.raises(AtlasUnusable, match=r"Only 300 of 2300 genes have a symbol, by .*--symbol-column"):
        read_genes(var(known + unknown))
    assert len(read_genes(var(known + unknown[:300])).symbols) > 290


def test_regression_genes_of_two_species_are_not_added_up() -> None:
    symbols = sorted(gene_symbols())[:60]
    joined = var([*symbols, *(symbol.capitalize() for symbol in symbols)])
    with pytest.raises(
        AtlasUnusable, match=r"genes are there in two spellings .* as if cells of two species were joined"
    ):
        read_genes(joined)
    assert len(read_genes(joined, None, "human").symbols) == len(symbols)

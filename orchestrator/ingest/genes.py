"""Gene symbols of an atlas."""

import anndata as ad
import pandas as pd

from orchestrator.atlas.errors import AtlasUnusable

SYMBOL_COLUMNS = ("gene_symbol", "gene_symbols", "gene_name", "feature_name", "symbol")


def gene_symbols(var: pd.DataFrame) -> list[str]:
    """Return unique gene symbols: a symbol column if the index holds Ensembl ids, else the index."""
    index = var.index.astype(str)
    if len(index) and index.str.fullmatch(r"ENS[A-Z]*G\d+(\.\d+)?").mean() > 0.5:
        named = next((column for column in SYMBOL_COLUMNS if column in var), None)
        if named is None:
            raise AtlasUnusable(f"var holds only Ensembl ids. Add gene symbols in one of: {', '.join(SYMBOL_COLUMNS)}.")
        index = pd.Index(var[named].astype(str))
    return [str(gene) for gene in ad.utils.make_index_unique(pd.Index(index))]

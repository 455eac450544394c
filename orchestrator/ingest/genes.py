"""From the genes of a matrix to unique human gene symbols.

A file names its genes in the index of var or in a column. Of these, the one with the most known human symbols counts. Ensembl ids alone are
translated (GENCODE 48). Genes without a symbol are left out, and the counts of genes with the same symbol are added.

Names that no list of symbols contains (clones such as AC012345.1, LOC and LINC numbers, antisense and pseudogene names) are neither known
nor unknown: the share of known symbols leaves them out.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.atlas.atlas import AtlasUnusable
from shared import data

HUMAN: Final = "human"
INDEX: Final = "the index of var"
LEAST_KNOWN: Final = 0.5
# A column with fewer known symbols does not hold symbols.
_SOME: Final = 0.1
_ENSEMBL: Final = re.compile(r"ENS([A-Z]*)G(\d{11})(?:\.\d+)?(?:_PAR_Y)?")
_SPECIES: Final = {
    "MUS": "mouse", "RNO": "rat", "DAR": "zebrafish", "MMU": "macaque", "MFA": "macaque", "SSC": "pig", "CAF": "dog", "BTA": "cow",
    "PTR": "chimpanzee", "GAL": "chicken", "OCU": "rabbit", "CJA": "marmoset",
}  # fmt: skip
# Genome names that Cell Ranger and others put before each gene.
_PREFIX: Final = re.compile(
    r"(?:(GRCh\d+|hg\d+|human|Homo_sapiens)|(GRCm\d+|mm\d+|mouse|Mus_musculus))(?:[-_.]premrna)?(?:_{1,6}|[-.:])",
    re.IGNORECASE,
)
_ID_BESIDE: Final = re.compile(r"^ENS[A-Z]*G\d{11}(?:\.\d+)?[_|;:-]+(?=.)|(?<=.)[_|;:-]+ENS[A-Z]*G\d{11}(?:\.\d+)?$")
_MISSING: Final = re.compile(
    r"(?:nan|none|null|na|n/a|<na>|unknown|-+|\.|[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)?", re.IGNORECASE
)
_SYSTEMATIC: Final = re.compile(
    r"(?:A[A-Z]|BX|C[RTU]|F[OP]|KC|L|U|Z|RP|XX|hsa)[A-Z]*-?\d+[-_.]?\w*(?:\.\d+)?|LOC\d+|LINC\d+|MIR[-\w]*|SNOR[-\w]*|RNU?\d[-\w]*"
    r"|RNY\d\w*|\w+-(?:AS|IT|DT|OT)\d*|[A-Z]\w+P\d+|ENS[A-Z]*G\d+(?:\.\d+)?"
)
_REPEATED: Final = re.compile(r"(.+)[-.](\d{1,2})")
_OPEN_FRAME: Final = re.compile(r"^(C[\dXY]+)ORF(?=\d)")
# Below this share of genes with symbols, the ids are most likely of something else. Half of all Ensembl genes may lack one.
LEAST_NAMED: Final = 0.2
# A few names differ by case only ("C1orf43" and "C1ORF43" in joined annotations).
_TWO_SPELLINGS: Final = 20
_SPIKE_IN: Final = re.compile(r"ERCC-\d{5}")
# Columns that tell genes from other features, and how they write "gene expression": Cell Ranger, CELLxGENE, muon, the NeurIPS 2021 data.
_FEATURE_TYPES: Final = ("feature_types", "feature_type", "feature_biotype", "modality")
_GENE_TYPES: Final = frozenset({"gene expression", "gene", "gex", "rna"})

Texts = NDArray[np.object_]


@dataclass(frozen=True)
class Genes:
    """The genes of an atlas, and the columns of a matrix that count each."""

    symbols: tuple[str, ...]  # unique, in order of the columns
    column_of: NDArray[np.int64]  # for each column of the matrix, the index of its symbol; -1: left out
    known_share: float  # of the symbols that a list can contain
    named_by: str  # where the symbols come from, for the summary
    notes: tuple[str, ...] = ()


def read_genes(var: pd.DataFrame, symbol_column: str | None = None, organism: str | None = None) -> Genes:
    """Return the human genes that a matrix counts.

    Args:
        symbol_column: column of var with the symbols, instead of the one with the most known symbols.
        organism: `human` if the genes are human although they do not look it.

    Raises:
        AtlasUnusable: the genes are not those of a human, or have no symbols; the message says what to do.
    """
    if organism is not None and organism.casefold() not in {HUMAN, "homo sapiens", "hsapiens"}:
        raise AtlasUnusable(f"--organism {organism}: {_ONLY_HUMAN}")
    if not len(var):
        raise AtlasUnusable("The matrix has no genes.")
    notes: list[str] = []
    of_genes = _expression(var, notes)
    named_by, symbols = _named(var, symbol_column)
    symbols = _of_human(symbols, of_genes, notes)
    _refuse_other_species(var, symbols[of_genes], notes, forced=organism is not None)
    if organism is None:
        _refuse_two_spellings(symbols[of_genes])
    symbols = _canonical(symbols, notes)
    spike_ins = np.array([bool(_SPIKE_IN.fullmatch(symbol)) for symbol in symbols])
    if (spike_ins & of_genes).any():
        notes.append(f"{int((spike_ins & of_genes).sum())} spike-ins (ERCC) are left out")
    kept = of_genes & ~spike_ins
    missing = kept & (symbols == "")
    if (n_named := int((kept & ~missing).sum())) < LEAST_NAMED * int(kept.sum()):
        raise AtlasUnusable(
            f"Only {n_named} of {int(kept.sum())} genes have a symbol, by {named_by}. Give the column of var with the symbols as "
            "--symbol-column, or replace ids of an old or other annotation by symbols."
        )
    if missing.any():
        notes.append(f"{int(missing.sum())} of {len(var)} genes have no symbol and are left out")
    kept &= ~missing
    symbols = _without_repeats(symbols, kept)
    unique: dict[str, int] = {}
    column_of = np.full(len(var), -1, dtype=np.int64)
    for column in np.flatnonzero(kept).tolist():
        column_of[column] = unique.setdefault(symbols[column], len(unique))
    if repeated := int(kept.sum()) - len(unique):
        several = [name for name, count in Counter(symbols[kept]).items() if count > 1]
        notes.append(
            f"{len(several)} symbols name several genes ({', '.join(several[:3])}{', …' if len(several) > 3 else ''}): "
            f"the counts of {repeated + len(several)} genes are added by symbol"
        )
    known_share = _checked_share(tuple(unique), named_by)
    return Genes(tuple(unique), column_of, known_share, named_by, tuple(notes))


_ONLY_HUMAN: Final = (
    "only human genes can be ingested, because gene sets and questions are human. Rename the genes to their human orthologs "
    "(symbols in var), and give --organism human if they are not recognized."
)


@cache
def ensembl_symbols() -> dict[int, str]:
    """Return the symbol of each human gene by the number of its Ensembl id."""
    with files("orchestrator").joinpath("data", "human_genes.tsv").open(encoding="utf-8") as lines:
        rows = (line.rstrip("\n").split("\t") for line in lines if not line.startswith("#"))
        return {int(identifier.removeprefix("ENSG")): symbol for identifier, symbol in rows}


@cache
def _known() -> dict[str, str]:
    """Return the known human symbols by their upper case."""
    listed = {symbol: _OPEN_FRAME.sub(r"\1orf", symbol) for symbol in data.words("gene_symbols")}  # which is upper case
    return listed | {symbol.upper(): symbol for symbol in ensembl_symbols().values()}


def _expression(var: pd.DataFrame, notes: list[str]) -> NDArray[np.bool_]:
    """Return which features are genes, not antibodies, guides or peaks; and of the human genome, if features have genomes."""
    kept = np.ones(len(var), dtype=bool)
    for name in _FEATURE_TYPES:
        if name not in var:
            continue
        are_genes = var[name].astype(str).str.lower().str.replace("_", " ").isin(_GENE_TYPES).to_numpy()
        if are_genes.any():  # else the column tells something else, such as "protein_coding"
            kept &= are_genes
            break
    if others := int((~kept).sum()):
        notes.append(f"{others} of {len(kept)} features are no genes and are left out")
    if "genome" in var:
        genomes = var["genome"].astype(str)
        human = genomes.str.match(r"(?i)(GRCh|hg)\d").to_numpy()
        if human.any() and (kept & ~human & (genomes != "").to_numpy()).any():
            foreign = sorted(set(genomes[kept & ~human]) - {""})
            notes.append(f"{int((kept & ~human).sum())} genes of {', '.join(foreign)} are left out")
            kept &= human
    return kept


def _named(var: pd.DataFrame, symbol_column: str | None) -> tuple[str, Texts]:
    """Return where the symbols are, and the symbols; empty where one is missing."""
    if symbol_column is not None:
        if symbol_column not in var:
            raise AtlasUnusable(
                f"var has no column {symbol_column}. Available: {', '.join(map(str, var.columns)) or 'none'}."
            )
        return f"var[{symbol_column!r}]", _cleaned(var[symbol_column])
    candidates = {INDEX: _cleaned(var.index.to_series())}
    for name in var:
        if isinstance(var[name].dtype, pd.CategoricalDtype) or pd.api.types.is_string_dtype(var[name].dtype):
            candidates[f"var[{name!r}]"] = _cleaned(var[name])
    shares = {place: _share_of_rows(texts) for place, texts in candidates.items()}
    best = max(shares, key=lambda place: shares[place])  # the index, if none is better
    if shares[best] >= _SOME:
        return best, candidates[best]
    identifiers = {place: _ensembl_share(texts) for place, texts in candidates.items()}
    place = max(identifiers, key=lambda each: identifiers[each])
    if identifiers[place] <= LEAST_KNOWN:
        return best, candidates[best]
    translated = np.array([_translated(text) for text in candidates[place]], dtype=object)
    return f"the Ensembl ids in {place.removeprefix('the ')}, by GENCODE 48", translated


def _cleaned(values: "pd.Series[str]") -> Texts:
    """Return texts without spaces and Ensembl ids beside symbols; empty if missing."""
    found = []
    for value in values.tolist():
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        text = text.strip()
        text = "" if _MISSING.fullmatch(text) else _ID_BESIDE.sub("", text)
        found.append(text)
    return np.array(found, dtype=object)


def _share_of_rows(texts: Texts) -> float:
    known = _known()
    return sum(_PREFIX.sub("", text, count=1).upper() in known for text in texts) / len(texts)


def _ensembl_share(texts: Texts) -> float:
    return sum(bool(_ENSEMBL.fullmatch(_PREFIX.sub("", text, count=1))) for text in texts) / len(texts)


def _translated(text: str) -> str:
    """Return the symbol of a human Ensembl id with its prefix, the id of another species as it is, or nothing."""
    prefix = match[0] if (match := _PREFIX.match(text)) else ""
    found = _ENSEMBL.fullmatch(text[len(prefix) :])
    if found is None or found[1]:
        return text
    symbol = ensembl_symbols().get(int(found[2]), "")
    return prefix + symbol if symbol else ""


def _of_human(symbols: Texts, of_genes: NDArray[np.bool_], notes: list[str]) -> Texts:
    """Return symbols without the prefix of the human genome, and leave out genes with the prefix of another one."""
    matches = [_PREFIX.match(symbol) for symbol in symbols]
    human = np.array([bool(match and match[1]) for match in matches])
    mouse = np.array([bool(match and match[2]) for match in matches])
    if max(human.sum(), mouse.sum()) < 0.2 * len(symbols):
        return symbols
    stripped = [symbol[match.end() :] if match else symbol for symbol, match in zip(symbols, matches, strict=True)]
    names = sorted({match[0].rstrip("_-.:") for match in matches if match})
    notes.append(f"the prefix {' and '.join(names)} of gene names is removed")
    if human.any() and mouse.any():
        of_genes &= ~mouse
        notes.append(f"{int(mouse.sum())} mouse genes are left out")
    return np.array(["" if _MISSING.fullmatch(symbol) else symbol for symbol in stripped], dtype=object)


def _refuse_other_species(var: pd.DataFrame, symbols: Texts, notes: list[str], *, forced: bool) -> None:
    """Refuse genes that look like those of another species, or note it if the person says they are human."""
    named = [symbol for symbol in symbols if symbol]
    columns = [var.index, *(var[name] for name in var if var[name].dtype == object)]
    reason = next((each for column in columns if (each := _foreign_ids(column.astype(str).tolist()))), None)
    known = _known()
    folded = [
        symbol for symbol in named if symbol.upper() in known and len(symbol) > 2 and symbol.upper() != symbol.lower()
    ]
    titled = [symbol for symbol in folded if symbol == symbol.capitalize() and known[symbol.upper()] != symbol]
    if reason is None and len(folded) >= 1 and len(titled) > 0.5 * len(folded):
        reason = f"written like those of a mouse ({', '.join(titled[:3])})"
    if reason is None:
        return
    if not forced:
        raise AtlasUnusable(f"The genes are {reason}, and {_ONLY_HUMAN}")
    notes.append(f"warning: the genes are {reason}, but are taken as human (--organism)")


def _refuse_two_spellings(symbols: Texts) -> None:
    """Refuse genes of two species that were joined: "ISG15" and "Isg15" would be added up as one gene."""
    present = set(symbols)
    twice = [symbol for symbol in present if symbol != symbol.upper() and symbol.upper() in present]
    if len(twice) >= _TWO_SPELLINGS:
        examples = " and ".join(f"{symbol.upper()} beside {symbol}" for symbol in sorted(twice)[:2])
        raise AtlasUnusable(
            f"{len(twice):,} genes are there in two spellings ({examples}), as if cells of two species were joined. Keep the human cells "
            "and genes only. If all of them are human, give --organism human: their counts are then added."
        )


def _foreign_ids(texts: list[str]) -> str | None:
    """Return what says that Ensembl ids are not human."""
    found = [match for text in texts if (match := _ENSEMBL.fullmatch(text)) and match[1]]
    if len(found) <= LEAST_KNOWN * len(texts):
        return None
    species = _SPECIES.get(found[0][1], "another species")
    return f"those of {species} (Ensembl ids such as {found[0][0]})"


def _canonical(symbols: Texts, notes: list[str]) -> Texts:
    """Return symbols in the case of the list, where only the case differs; Ensembl ids count as missing."""
    known, found, changed = _known(), [], []
    canonical = set(known.values())
    for symbol in symbols:
        better = symbol
        if _ENSEMBL.fullmatch(symbol):
            better = ""
        elif symbol not in canonical:
            better = known.get(symbol.upper(), symbol)
            if better != symbol:
                changed.append(f"{symbol} → {better}")
        found.append(better)
    if changed:
        notes.append(f"{len(changed)} symbols are written in their usual case ({', '.join(changed[:2])})")
    return np.array(found, dtype=object)


def _without_repeats(symbols: Texts, kept: NDArray[np.bool_]) -> Texts:
    """Return symbols without the number that `var_names_make_unique` adds to the second of a name (TBCE-1)."""
    known, present = _known(), set(symbols[kept])
    found = symbols.copy()
    for place, symbol in enumerate(symbols):
        match = _REPEATED.fullmatch(symbol)
        if match and symbol.upper() not in known and match[1] in present and match[1].upper() in known:
            found[place] = match[1]
    return found


def _checked_share(symbols: tuple[str, ...], named_by: str) -> float:
    """Return the share of symbols that are known.

    Raises:
        AtlasUnusable: it is less than half.
    """
    known = _known()
    unknown = [symbol for symbol in symbols if symbol.upper() not in known and not _SYSTEMATIC.fullmatch(symbol)]
    n_known = sum(symbol.upper() in known for symbol in symbols)
    share = n_known / max(n_known + len(unknown), 1)
    if share < LEAST_KNOWN or not n_known:
        examples = ", ".join(unknown[:5]) or "none at all"
        raise AtlasUnusable(
            f"Only {share:.0%} of the genes in {named_by} are known human gene symbols (unknown: {examples}). "
            "Put the symbols into the index of var, or name their column with --symbol-column."
        )
    return share

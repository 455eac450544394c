"""Words that say that something was done to the cells other than adding a perturbation: the starts of words, and whole words.

`shared/resolver/manipulations.py` decides whether they do. German, French and Spanish words are folded: no accents, lower case.
"""

KNOCKOUT = (
    "knockout",
    "crispr",
    "cas9",
    "deficien",
    "delet",
    "ablat",
    "haploinsuff",
    "disrupt",
    "ausgeschalt",
    "ausschalt",
    "ausgeknock",
    "edited",
    "editing",
    "invalid",
    "delecion",
)
# Words for a changed gene, beside its name.
GENOTYPE = ("mutat", "mutant", "heterozyg", "homozyg", "hypomorph", "dominant")
KNOCKOUT_WORDS = frozenset({"ko", "kos", "talen", "talens", "nullizygous"})
KNOCKDOWN = ("knockdown", "silenc", "crispri", "morpholino", "antisense")
KNOCKDOWN_WORDS = frozenset({"sirna", "sirnas", "shrna", "shrnas", "rnai", "aso", "asos", "mirna"})
OVEREXPRESSION = ("overexpres", "uberexpr", "surexpr", "sobreexpr", "crispra", "transgen")
GENE_TRANSFER = ("transduc", "transfect", "electroporat", "nucleofect")
INHIBITION = (
    "inhib", "block", "antagoni", "neutrali", "degrader", "decoy", "scaveng", "inactivat", "hemm", "hemmstoff", "bloqu", "blockier",
    "abrogat", "protac", "neutralisier", "unterdruck", "gehemmt", "gehemmte",
)  # fmt: skip
WEAK_INHIBITION = (
    "suppress",
    "reprim",
    "supprim",
    "suprim",
    "disabl",
    "interfere",
    "interfering",
    "repress",
    "prevent",
    "quench",
    "sequest",
    "shut",
    "silence",
)
NEGATIONS = frozenset({"not", "never", "t", "nicht", "pas", "non", "neither", "cannot"})
WITHOUT = frozenset(
    {"without", "minus", "lacking", "ohne", "sans", "sin", "senza", "sem", "excluding", "omitting", "no", "w/o", "lack"}
)
LOSS = (
    "withdraw", "depriv", "starv", "remov", "absence", "absent", "washout", "wean", "depriv", "depleti", "deplete", "unexposed", "lack",
    "withhold", "withheld", "discontinu", "cessation", "omission", "omit", "entzug", "entzieh", "entzog", "retrait", "retirad", "clearance", "shield", "protected",
    "washed", "sevrage", "forgot", "forget", "skipp", "skip", "left", "abwesenheit", "ausencia", "abstinen",
)  # fmt: skip
AWAY = frozenset({"away", "far", "free", "unexposed", "isolated", "untreated", "unstimulated"})
# The start of words that say that a treatment came before the one that the question asks about, and of words that say it after its name.
BEFOREHAND = (
    "pretreat", "preincubat", "prestimul", "preexpos", "precondition", "preactivat", "prime", "priming", "previous", "prior", "earlier",
    "expand", "differentiat", "polari", "matur", "cultur", "condition", "train", "toleri", "grown", "maintain", "generated", "derived",
    "rested", "raised", "history", "initial", "first", "vorbehandel", "pretrait", "pretratad",
)  # fmt: skip
BEFOREHAND_AFTER = (
    "pretreat", "primed", "priming", "expanded", "differentiated", "polari", "matured", "cultured", "conditioned", "trained", "toleri", "derived",
    "preincubat", "prestimul", "preexpos", "activated", "generated", "preactivat", "pretrait", "experienced", "expansion", "induced",
)  # fmt: skip


def is_cue(key: str) -> bool:
    """Return whether a folded word may say that something was done to the cells, or when."""
    starts = (
        *KNOCKOUT,
        *GENOTYPE,
        *GENE_TRANSFER,
        *KNOCKDOWN,
        *OVEREXPRESSION,
        *INHIBITION,
        *WEAK_INHIBITION,
        *LOSS,
        *BEFOREHAND,
        "knock",
        "infect",
        "receptor",
        "signal",
        "pathway",
    )
    return key.startswith(starts) or key in KNOCKOUT_WORDS | KNOCKDOWN_WORDS | WITHOUT | NEGATIONS | AWAY

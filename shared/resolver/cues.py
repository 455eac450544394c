"""Words that say that something was done to the cells other than adding a perturbation, or when: starts of words, and whole words.

`shared/resolver/manipulations.py` and `causes.py` decide whether they do. German, French and Spanish words are folded: lower case, no
accents.
"""

KNOCKOUT = (
    "knockout", "crispr", "cas9", "deficien", "delet", "ablat", "haploinsuff", "disrupt", "ausgeschalt", "ausschalt", "ausgeknock",
    "edited", "editing", "delecion",
)  # fmt: skip
KNOCKOUT_WORDS = frozenset(
    {
        "ko", "kos", "sgrna", "sgrnas", "grna", "grnas", "talen", "talens", "nullizygous", "mutation", "mutations", "polymorphism",
        "polymorphisms", "snp", "snps", "mutant", "mutants", "mutated",
    }
)  # fmt: skip
# Words for a changed gene, beside its name.
GENOTYPE = (
    "excis", "truncat", "nonfunction", "inactive", "dead", "defective", "impair", "broken", "eliminat", "lof", "gof", "mutat", "mutant",
    "mutein",     "heterozyg", "homozyg", "hypomorph", "dominant", "variant", "allele", "snp", "polymorphism", "guide",
)  # fmt: skip
KNOCKDOWN = ("knockdown", "silenc", "crispri", "morpholino", "antisense")
KNOCKDOWN_WORDS = frozenset(
    {"sirna", "sirnas", "shrna", "shrnas", "rnai", "aso", "asos", "mirna", "hairpin", "hairpins"}
)
OVEREXPRESSION = (
    "overexpres",
    "uberexpr",
    "surexpr",
    "sobreexpr",
    "crispra",
    "transgen",
    "ectopic",
    "constitutiv",
    "stably",
)
GENE_TRANSFER = ("lentivir", "retrovir", "adenovir", "transduc", "transfect", "electroporat", "nucleofect")
SILENCING = ("sirna", "shrna", "sgrna", "grna", "guide", "crispr", "cas9", "mirna", "morpholino", "antisense")
INHIBITION = (
    "inhib", "mask", "block", "antagoni", "neutrali", "degrader", "decoy", "scaveng", "inactivat", "hemm", "bloqu", "abrogat", "protac",
    "unterdruck", "gehemmt",
)  # fmt: skip
# Words that mean inhibition only if a perturbation is what they act on: "suppressing IL-6", but not "suppressed genes".
WEAK_INHIBITION = (
    "suppress", "reprim", "supprim", "suprim", "disabl", "interfere", "interfering", "intercept", "counter", "curb", "trap", "denatur",
    "boiled", "targets", "targeting", "repress", "prevent", "quench", "sequest", "shut", "revers", "counteract", "abolish", "dampen",
    "attenuat", "cancel", "undo", "silence", "mop", "soak",
)  # fmt: skip
NEGATIONS = frozenset({"nobody", "not", "never", "t", "nicht", "pas", "non", "neither", "cannot"})
# In a question, these stand before its subject: "does IFN-gamma ...", "would monocytes ...".
AUXILIARIES = frozenset({"do", "does", "did", "can", "could", "will", "would", "may", "might", "should"})
UNABLE = frozenset(
    {"unable", "incapable", "cannot", "cant", "couldnt", "fail", "fails", "failing", "failed", "unfahig"}
)
WITHOUT = frozenset(
    {"without", "minus", "lacking", "ohne", "sans", "sin", "senza", "sem", "excluding", "omitting", "no", "lack"}
)
LOSS = (
    "withdraw", "depriv", "starv", "remov", "absence", "absent", "washout", "wean", "depleti", "deplete", "unexposed", "lack",
    "withhold", "withheld", "discontinu", "cessation", "omission", "omit", "entzug", "entzieh", "entzog", "retrait", "retirad",
    "clearance", "shield", "washed", "rins", "missing", "shortage", "scarc", "insufficien", "unavailab", "sevrage", "forgot", "forget",
    "skip",    "abwesenheit", "ausencia", "abstinen",
)  # fmt: skip
AWAY = frozenset({"away", "far", "free", "unexposed", "isolated", "untreated", "unstimulated", "protected"})
# A treatment before the one that the question asks about: words before its name, and words after it.
BEFOREHAND = (
    "pretreat", "preincubat", "prestimul", "preexpos", "precondition", "preactivat", "prime", "priming", "previous", "prior", "earlier",
    "expand", "differentiat", "polari", "matur", "cultur", "condition", "train", "toleri", "grown", "maintain", "generated", "derived",
    "rested", "raised", "history", "initial", "first", "vorbehandel", "pretrait", "pretratad",
)  # fmt: skip
BEFOREHAND_AFTER = (
    "pretreat", "primed", "priming", "expanded", "differentiated", "polari", "matured", "cultured", "conditioned", "trained", "toleri",
    "derived", "stimulated", "treated", "exposed", "preincubat", "prestimul", "preexpos", "activated", "generated", "preactivat",
    "pretrait", "experienced", "expansion",
)  # fmt: skip
_ALL_STARTS = (
    *KNOCKOUT, *GENOTYPE, *GENE_TRANSFER, *KNOCKDOWN, *OVEREXPRESSION, *INHIBITION, *WEAK_INHIBITION, *LOSS, *BEFOREHAND, "knock", "infect",
    "receptor", "signal", "pathway",
)  # fmt: skip
_ALL_WORDS = KNOCKOUT_WORDS | KNOCKDOWN_WORDS | WITHOUT | NEGATIONS | UNABLE | AWAY


def is_cue(key: str) -> bool:
    """Return whether a folded word may say that something was done to the cells, or when."""
    return key.startswith(_ALL_STARTS) or key in _ALL_WORDS

"""Call once what numba compiles at its first call (`python -m orchestrator.warm_up`), so that it is cached before a job needs it.

The compiled code lands in NUMBA_CACHE_DIR or beside the libraries. Where the image or the environment is built, not in a job.
"""

import numpy as np
from scipy import sparse

from orchestrator.config import JobConfig
from orchestrator.differential import compare
from orchestrator.enrichment import enrich


def warm_up() -> int:
    """Compare and enrich a few made-up cells; how many gene sets were judged."""
    rng = np.random.default_rng(0)
    rates = np.linspace(1.0, 4.0, 40)
    perturbed, control = (sparse.csr_matrix(rng.poisson(rates * factor, (12, 40))) for factor in (rates, 1.0))
    genes = [f"G{i}" for i in range(40)]
    return len(enrich(compare(perturbed, control, genes, JobConfig()), {"FIRST": frozenset(genes[:20])}))


if __name__ == "__main__":
    warm_up()

"""Compile the numba kernels of decoupler once, into NUMBA_CACHE_DIR: `python -m orchestrator.warm_up`.

Run it where the image or the environment is built: without the cache, compilation adds about 20 s to the first run.
"""

import numpy as np
from scipy import sparse

from orchestrator.config import JobConfig
from orchestrator.evidence.differential import compare
from orchestrator.evidence.enrichment import enrich


def warm_up() -> int:
    """Compare and enrich a few synthetic cells; return the number of tested gene sets."""
    rng = np.random.default_rng(0)
    rates = np.linspace(1.0, 4.0, 40)
    perturbed, control = (sparse.csr_matrix(rng.poisson(rates * factor, (20, 40))) for factor in (rates, 1.0))
    genes = [f"G{i}" for i in range(40)]
    return len(enrich(compare(perturbed, control, genes, JobConfig()), {"FIRST": frozenset(genes[:20])}))


if __name__ == "__main__":
    warm_up()

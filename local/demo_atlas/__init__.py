"""The demo atlas: real immune cells as controls, and simulated responses to ten cytokines."""

from typing import Final

DATASET: Final = "demo_immune_semisynthetic"

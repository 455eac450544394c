"""The demo atlases: a real one, and one with real immune cells as controls and simulated responses to ten cytokines."""

from pathlib import Path
from typing import Final, NamedTuple

SEMI_SYNTHETIC: Final = "demo_immune_semisynthetic"
KANG: Final = "demo_kang_ifnb"
# The cells that are kept out of the real atlas, so that the demo can compare a prediction with them.
WITHHELD_TYPE: Final = "CD14+ Monocytes"
WITHHELD_CONDITION: Final = "IFN-beta"
CONTROL: Final = "control"


class KangFiles(NamedTuple):
    """The two parts of the real data, in a data folder."""

    atlas: Path  # what is ingested
    withheld: Path  # what only the demo reads, after the run

    @classmethod
    def of(cls, data_dir: Path) -> "KangFiles":
        """Return the files of a data folder, which need not exist."""
        return cls(data_dir / f"{KANG}.h5ad", data_dir / f"{KANG}_withheld.h5ad")

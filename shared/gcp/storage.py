"""Storage."""

from shared.storage import *  # noqa: F403
from shared.storage import GoogleResultFiles as GoogleResultFiles

"""Where the job finds a language model provider's key: the names in its environment. Standard library only, for `deploy` reads them too."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

LLM_KEYS: Final[Mapping[str, str]] = MappingProxyType(
    {"anthropic": "ANTHROPIC_API_KEY", "openai": "OPENAI_API_KEY", "google_genai": "GOOGLE_API_KEY"}
)
"""The key's name for each provider of `shared.models.LlmProvider`; the names that the providers' own libraries read."""

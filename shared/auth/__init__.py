"""Identify the caller: identities, tokens and the keys that verify them."""

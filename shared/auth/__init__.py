"""Who is asking: identities, tokens and the keys that verify them."""

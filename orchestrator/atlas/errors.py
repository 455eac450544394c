"""The error of an atlas, apart from the libraries that read one, which take a second to load."""


class AtlasUnusable(Exception):
    """An atlas that cannot be read or ingested; the message says why and what to do."""

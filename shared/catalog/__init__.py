"""The catalog of atlases and the reference data: entries, view, cache, ontology, names and query plans."""

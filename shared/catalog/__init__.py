"""The catalog of atlases and the reference facts: entries, view, ontology, names and plans."""

"""Evidence about a prediction: differential expression, enrichment, and the grounding score."""

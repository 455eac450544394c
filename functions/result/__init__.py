"""Result: what a run found."""

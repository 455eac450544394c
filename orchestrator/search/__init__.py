"""The search for the prompt with the best-grounded prediction."""

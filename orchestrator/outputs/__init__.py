"""The files that a run delivers: predicted cells, report and log."""

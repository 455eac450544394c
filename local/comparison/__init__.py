"""What the demo shows after its run: the prediction beside the measured cells that the run could not see."""

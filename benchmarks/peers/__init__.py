"""What others would write, to compare with."""

"""What the functions and the job share: the domain, its ports and their adapters. Importing it does nothing."""

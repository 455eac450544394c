"""Batch."""

from shared.batch import *  # noqa: F403
from shared.batch import GoogleBatchJobs as GoogleBatchJobs

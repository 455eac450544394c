"""Ids, machines and explanations of ingests on Batch."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ingest import cloud
from orchestrator.ingest.cloud import GB, ingest_job_id
from orchestrator.ingest.job import transferred
from orchestrator.ingest.on_batch import DATASET
from shared.gcp.batch import JOB_ID
from shared.runs.states import run_id_of_job

DATASETS = st.from_regex(DATASET, fullmatch=True)
BUCKETS = st.sampled_from(["p-haystack-atlases", "p-haystack-dev-atlases"])


@given(bucket=BUCKETS, dataset=DATASETS, number=st.integers(1, 9999))
def test_every_ingest_has_a_valid_job_id_that_is_not_one_of_a_run(bucket: str, dataset: str, number: int) -> None:
    made = ingest_job_id(bucket, dataset, number)
    assert JOB_ID.fullmatch(made)
    assert run_id_of_job(made) is None
    assert made == ingest_job_id(bucket, dataset, number)


@given(st.lists(st.tuples(BUCKETS, DATASETS, st.integers(1, 20)), unique=True, max_size=20))
def test_two_ingests_never_share_a_job_id(ingests: list[tuple[str, str, int]]) -> None:
    assert len({ingest_job_id(*each) for each in ingests}) == len(ingests)


@given(st.integers(0, 5_000 * GB), st.integers(0, 5_000 * GB))
def test_a_larger_file_never_gets_a_smaller_machine_disk_or_time_limit(one: int, other: int) -> None:
    small, large = sorted((one, other))
    order = [name for _, name in cloud.MACHINES]
    assert order.index(cloud.machine_type_for(small)) <= order.index(cloud.machine_type_for(large))
    assert cloud.disk_gb_for(small) <= cloud.disk_gb_for(large)
    assert cloud.hours_for(small) <= cloud.hours_for(large) <= cloud.MOST_HOURS


def test_a_file_of_100_gb_gets_64_gb_of_memory_430_gb_of_disk_and_half_a_day() -> None:
    size = 100 * GB
    assert (cloud.machine_type_for(size), cloud.disk_gb_for(size), cloud.hours_for(size)) == ("e2-highmem-8", 430, 12)


@pytest.mark.parametrize(
    ("machine_type", "larger"),
    [("e2-standard-4", "e2-highmem-4"), ("e2-highmem-16", "n2-highmem-32"), ("c3-standard-4", "n2-highmem-32")],
)
def test_without_enough_memory_a_larger_machine_is_proposed(machine_type: str, larger: str) -> None:
    assert re.search(rf"--machine-type {larger}\.", cloud.out_of_memory(machine_type))


def test_the_progress_of_a_copy_tells_the_time_that_is_left_if_it_is_long() -> None:
    assert transferred(25 * GB, 100 * GB, 60.0) == "copying the file: 25% of 100.0 GB, 3 min left"
    assert transferred(GB, GB, 60.0) == "copying the file: 100% of 1.0 GB"

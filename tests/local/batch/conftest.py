"""The Batch emulator and the real client that talks to it."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from google.cloud import batch_v1
from google.cloud.batch_v1.services.batch_service.transports import BatchServiceGrpcAsyncIOTransport
from google.protobuf.duration_pb2 import Duration

from local.batch.service import BatchEmulator


class World:
    """A running emulator, the real client, and the published messages."""

    parent = "projects/demo/locations/europe-west1"
    topic = "projects/demo/topics/jobs"

    def __init__(
        self, emulator: BatchEmulator, client: batch_v1.BatchServiceAsyncClient, published: list[dict[str, str]]
    ) -> None:
        self.emulator = emulator
        self.client = client
        self.published = published

    @staticmethod
    def job(
        *commands: str, seconds: float = 0, topic: str = "", environment: dict[str, str] | None = None
    ) -> batch_v1.Job:
        """Return a job with one container that runs this command."""
        limit = Duration()
        limit.FromNanoseconds(int(seconds * 1e9))
        message = batch_v1.JobNotification.Message(type_=batch_v1.JobNotification.Type.JOB_STATE_CHANGED)
        runnable = batch_v1.Runnable(
            container=batch_v1.Runnable.Container(image_uri="job:1", commands=list(commands)),
            environment=batch_v1.Environment(variables=environment or {}),
        )
        spec = batch_v1.TaskSpec(runnables=[runnable], max_run_duration=limit)
        return batch_v1.Job(
            task_groups=[batch_v1.TaskGroup(task_spec=spec)],
            notifications=[batch_v1.JobNotification(pubsub_topic=topic, message=message)] if topic else [],
        )

    def name(self, job_id: str) -> str:
        return f"{self.parent}/jobs/{job_id}"

    async def create(self, job_id: str, wanted: batch_v1.Job, request_id: str = "") -> batch_v1.Job:
        return await self.client.create_job(
            batch_v1.CreateJobRequest(parent=self.parent, job_id=job_id, job=wanted, request_id=request_id)
        )

    async def run(
        self, job_id: str, code: str, *, seconds: float = 0, topic: str = "", environment: dict[str, str] | None = None
    ) -> batch_v1.Job:
        """Run Python code as a job."""
        return await self.create(
            job_id, self.job("python", "-c", code, seconds=seconds, topic=topic, environment=environment)
        )

    async def get(self, job_id: str) -> batch_v1.Job:
        return await self.client.get_job(name=self.name(job_id))

    async def cancel(self, job_id: str) -> None:
        """Cancel a job and wait for the operation to be done."""
        operation = await self.client.cancel_job(name=self.name(job_id))
        await operation.result(timeout=10)  # type: ignore[no-untyped-call]  # the client has no types there

    async def delete(self, job_id: str) -> None:
        """Delete a job and wait for the operation to be done."""
        operation = await self.client.delete_job(name=self.name(job_id))
        await operation.result(timeout=10)  # type: ignore[no-untyped-call]  # the client has no types there

    async def until(self, job_id: str, *states: str) -> batch_v1.Job:
        """Wait until the job is in one of these states and return it."""
        async with asyncio.timeout(20):
            while True:
                found = await self.get(job_id)
                if found.status.state.name in states:
                    return found
                await asyncio.sleep(0.02)

    async def log_says(self, job_id: str, text: str) -> str:
        """Wait until the job's log contains this text and return the log."""
        path = self.emulator.log_path(job_id)
        await self.eventually(lambda: path.exists() and text in path.read_text())
        return path.read_text()

    @staticmethod
    async def eventually(condition: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        async with asyncio.timeout(20):
            while True:
                if condition():
                    return
                await asyncio.sleep(0.02)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[World]]]:
    """Return a function that starts an emulator with these options, until the end of the test."""
    async with AsyncExitStack() as ends:

        async def begin(**options: Any) -> World:  # noqa: ANN401 # the emulator's options, which differ in type
            published: list[dict[str, str]] = []

            async def publish(attributes: dict[str, str]) -> None:
                published.append(attributes)

            usual: dict[str, Any] = {
                "log_dir": tmp_path / "logs",
                "job_env": {"PATH": os.environ["PATH"]},
                "cwd": tmp_path,
                "on_notification": publish,
                "grace_seconds": 5.0,
            }
            emulator = BatchEmulator(**(usual | options))
            ends.push_async_callback(emulator.stop)
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{await emulator.start()}")
            ends.push_async_callback(channel.close)
            transport = BatchServiceGrpcAsyncIOTransport(channel=channel)
            return World(emulator, batch_v1.BatchServiceAsyncClient(transport=transport), published)

        yield begin


@pytest.fixture
async def world(start: Callable[..., Awaitable[World]]) -> World:
    """Start an emulator with the usual options."""
    return await start()

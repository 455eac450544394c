"""`make up` with a receiver on this machine: the end of a run arrives as a signed webhook, with a link that opens."""

import asyncio
from pathlib import Path

import pytest

from tests.e2e.conftest import copy_of, start
from tests.support.receivers import SECRET, receiving


@pytest.mark.timeout(180)
async def test_a_developer_can_try_webhooks(ingested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as receiver:
        monkeypatch.setenv("WEBHOOK_HOSTS", receiver.origin)
        monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
        service = await start(copy_of(ingested, tmp_path), "sqlite")
        try:
            question = "How would CD14 monocytes respond to IFN-gamma?"
            run = await service.create(question, max_iterations=1, notify={"webhook": receiver.url})
            done = await service.until(run["run_id"])
            for _ in range(600):
                if receiver.received:
                    break
                await asyncio.sleep(0.1)
            (request,) = receiver.received
            assert request.is_signed()
            assert request.json["type"] == f"run.{done['status']}" == "run.completed"
            links = request.json["data"]["links"]
            for link in links.values():
                assert link.startswith(service.url)
                assert (await service.client.get(link)).status_code == 200
        finally:
            await service.stop()

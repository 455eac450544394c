"""Notifications that a run ended: who may ask for them, and what they say. Never the question, and no e-mail address."""

from datetime import datetime
from typing import NamedTuple

from shared.errors import NotificationRefused
from shared.fields import rfc3339
from shared.runs.deliveries import Channel, Delivery
from shared.runs.records import Run
from shared.runs.schemas import Notify
from shared.runs.states import RunState
from shared.runs.webhooks import WebhookUrl
from shared.settings import EMAIL


class NotificationRules(NamedTuple):
    """What the operator allows.

    Attributes:
        origins: scheme, host and port of each receiver that webhooks may go to.
        email: whether the service sends e-mail.
    """

    origins: frozenset[str] = frozenset()
    email: bool = False

    def deliveries(self, wanted: Notify | None, owner: str) -> list[Delivery]:
        """Return the deliveries that a request asks for.

        Args:
            owner: verified e-mail address of the signed-in user, the only one that e-mail goes to.

        Raises:
            NotificationRefused: the service does not send one of them, or not there.
        """
        found = []
        if wanted is not None and wanted.webhook is not None:
            if not self.origins:
                raise NotificationRefused(
                    Channel.WEBHOOK,
                    "This service sends no webhooks. Leave notify.webhook out, or ask the operator to allow your host.",
                )
            if WebhookUrl.parse(wanted.webhook).origin not in self.origins:
                hosts = ", ".join(sorted(each.removeprefix("https://").removesuffix(":443") for each in self.origins))
                https = "" if any(each.startswith("http://") for each in self.origins) else ", with https"
                raise NotificationRefused(
                    Channel.WEBHOOK, f"This service sends webhooks only to: {hosts}. Use one of these hosts{https}."
                )
            found.append(Delivery(channel=Channel.WEBHOOK, url=wanted.webhook))
        if wanted is not None and wanted.email:
            if not self.email:
                raise NotificationRefused(
                    Channel.EMAIL,
                    "This service sends no e-mail. Leave notify.email out, or ask the operator to set up a mail server.",
                )
            if not EMAIL.fullmatch(owner):
                raise NotificationRefused(
                    Channel.EMAIL,
                    "This service sends e-mail only to addresses in ASCII, and yours is not. Leave notify.email out.",
                )
            found.append(Delivery(channel=Channel.EMAIL))
        return found


class RunEnded(NamedTuple):
    """What a notification says: that a run ended, how, and where to look.

    Attributes:
        service_url: what the links begin with.
    """

    run_id: str
    status: RunState
    label: str | None
    at: datetime
    service_url: str

    @classmethod
    def of(cls, run: Run, service_url: str) -> "RunEnded":
        """Return the event of a run that ended."""
        return cls(run.run_id, run.status, run.label, run.updated_at, service_url)

    @property
    def event_id(self) -> str:
        """Id of the event, the same at each attempt, so that receivers recognize repetitions. It has no full stop."""
        return f"{self.run_id}_{self.status.value}"

    @property
    def page(self) -> str:
        """Address of the page of the run."""
        return f"{self.service_url}/runs/{self.run_id}"

    def payload(self) -> dict[str, object]:
        """Return the event as JSON values, as https://www.standardwebhooks.com describes it."""
        status = f"{self.service_url}/api/v1/runs/{self.run_id}"
        links = {"page": self.page, "status": status}
        if self.status is RunState.COMPLETED:
            links["result"] = f"{status}/result"
        data = {"run_id": self.run_id, "status": self.status.value, "label": self.label, "links": links}
        return {"type": f"run.{self.status.value}", "timestamp": rfc3339(self.at), "data": data}

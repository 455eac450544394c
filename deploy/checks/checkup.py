"""What every check gets: the target, and the ways to ask about it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy.caller import Caller
from deploy.checks.reader import ApiDisabled, Reader, command
from deploy.gcloud import Resource
from deploy.target import Target


@dataclass(frozen=True)
class Checkup:
    """One examination of one environment.

    Attributes:
        target: the environment; its domain may be empty.
        reader: reads the project.
        caller: sends requests to the service.
        resolve: returns the addresses of a host name; none if it does not resolve.
        now: the time, with its zone.
    """

    target: Target
    reader: Reader
    caller: Caller
    resolve: Callable[[str], set[str]]
    now: datetime

    @property
    def deploy(self) -> str:
        """Return the command that deploys this environment, with the options of this examination."""
        return self._script("")

    def doctor(self, *options: str) -> str:
        """Return the command that examines this environment, with more options than this examination."""
        return self._script("doctor ", *options)

    @property
    def caller_account(self) -> str:
        """Return the account as which programs call the service, as docs/deploy.md creates it."""
        return f"haystack-caller@{self.target.project}.iam.gserviceaccount.com"

    @property
    def verify(self) -> str:
        """Return the command that asks the service a question, as an account that may use it."""
        where = (f"--project {self.target.project} --region {self.target.region}", self._place())
        return f"./deploy.sh verify {' '.join(where)} --service-account {self.caller_account}"

    def _script(self, command: str, *options: str) -> str:
        target = self.target
        given = [
            *((f"--build-region {target.build_region}",) if target.build_region else ()),
            *((f"--network {target.network} --subnet {target.subnet}",) if target.subnet else ()),
            *(() if target.external_ip else ("--no-external-ip",)),
            *((f"--iap-client-id {target.iap_client_id}",) if target.iap_client_id else ()),
            *(f"--member {member}" for member in target.members),
            *options,
        ]
        where = f"./deploy.sh {command}--project {target.project} --region {target.region} {self._place()}"
        return " ".join([where, *given])

    def _place(self) -> str:
        env = "" if self.target.env == "prod" else f" --env {self.target.env}"
        return f"--domain {self.target.domain or 'DOMAIN'}{env}"

    def gcloud(self, *words: str) -> str:
        """Return a gcloud command for this project, for people to copy."""
        return command(*words, f"--project={self.target.project}")

    def backends(self) -> dict[str, Resource]:
        """Return the existing backend services of this environment, by name.

        Raises:
            Unreadable: or one of its kinds.
        """
        wanted = {self.target.name(function) for function in self.target.balanced}
        found = self.reader.by_name("compute backend-services list", "--global")
        return {name: backend for name, backend in found.items() if name in wanted}

    def backends_if_any(self) -> dict[str, Resource]:
        """Return the existing backend services, or none while the API is not enabled.

        Raises:
            Unreadable: or one of its kinds, except `ApiDisabled`.
        """
        try:
            return self.backends()
        except ApiDisabled:
            return {}

    def services(self) -> dict[str, Resource]:
        """Return the Cloud Run services of the region, by name.

        Raises:
            Unreadable: or one of its kinds.
        """
        return self.reader.by_name("run services list", f"--region={self.target.region}")

    def deployed_setting(self, function: str, name: str) -> str:
        """Return a setting of a deployed function; empty if either does not exist.

        Raises:
            Unreadable: or one of its kinds, except `ApiDisabled`.
        """
        try:
            service = self.services().get(self.target.name(function))
        except ApiDisabled:
            return ""
        if service is None:
            return ""
        container: dict[str, Any] = service["spec"]["template"]["spec"]["containers"][0]
        return next((str(each.get("value", "")) for each in container.get("env", []) if each["name"] == name), "")

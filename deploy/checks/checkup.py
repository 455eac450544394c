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
        """Return the command that deploys this environment."""
        env = "" if self.target.env == "prod" else f" --env {self.target.env}"
        domain = self.target.domain or "DOMAIN"
        return f"./deploy.sh --project {self.target.project} --region {self.target.region} --domain {domain}{env}"

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

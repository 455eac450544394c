"""Which failures of gcloud pass by themselves, and what to do about those that do not."""

import re
from typing import Final

API_DISABLED: Final = re.compile(r"\bSERVICE_DISABLED\b|has not been used in project|is not enabled")
TRANSIENT: Final = re.compile(
    API_DISABLED.pattern + r"|[Ss]ervice account \S+ does not exist|concurrent policy changes|\bis not ready\b"
)
# New permissions take a minute or two until all of Google Cloud knows them. Until then, builds and revisions fail with these words.
PROPAGATION: Final = re.compile(
    r"could not resolve source|Permission denied on secret\b.*\bfor Revision service account|uploadArtifacts\W{1,3}denied",
    re.DOTALL,
)
ATTEMPTS: Final = 7
PROPAGATION_SECONDS: Final = 120.0
PROPAGATION_PAUSE: Final = 10.0
WAITING: Final = "New permissions are not yet in force everywhere. Trying again for up to two minutes."

ADVICE: Final = (
    (
        re.compile(r"permitted customer|allowedPolicyMemberDomains"),
        "Your organization shares with certain domains only (domain-restricted sharing, iam.allowedPolicyMemberDomains). "
        "Name members of these domains, or ask its administrators to allow yours.",
    ),
    (
        re.compile(r"(can ?not|unable to) (run|create) builds? in this region|quota restrictions", re.IGNORECASE),
        "This project cannot build in this region. Pass a region in which it can, such as --build-region us-central1.",
    ),
    (
        re.compile(r"constraints/gcp\.resourceLocations"),
        "Your organization allows certain locations only. Choose --region and --build-region among them; secrets also need `global`.",
    ),
    (
        re.compile(
            r"BILLING_DISABLED|[Bb]illing (?:must be|is not) enabled|[Bb]illing account for project \S+ is not found"
        ),
        "No resource can be created without billing: gcloud billing projects link PROJECT --billing-account=BILLING_ACCOUNT",
    ),
    (
        re.compile(
            r"PERMISSION_DENIED|does not have permission|[Pp]ermission '[^']+' denied|Required '[^']+' permission"
        ),
        "Your account lacks a permission. A deployment needs roles/owner on the project; ./deploy.sh doctor checks the rest.",
    ),
)


class Retries:
    """The retries of one command."""

    def __init__(self) -> None:
        self._attempts = 0
        self._waited = 0.0
        self.refused = False

    def pause(self, stderr: str, elapsed: float) -> float | None:
        """Return how long to wait before the next attempt; None: the failure stays.

        Args:
            stderr: the error output.
            elapsed: seconds since the first failure of the command.
        """
        self._attempts += 1
        if PROPAGATION.search(stderr):
            self.refused = True
            if max(elapsed, self._waited) >= PROPAGATION_SECONDS:
                return None
            self._waited += PROPAGATION_PAUSE
            return PROPAGATION_PAUSE
        if TRANSIENT.search(stderr) and self._attempts < ATTEMPTS:
            return 5.0 * self._attempts
        return None


def advice(stderr: str) -> str:
    """Return what to do about a failure; empty if its own words have to suffice."""
    return next((text for pattern, text in ADVICE if pattern.search(stderr)), "")

"""`./deploy.sh doctor`: check what a deployment needs, and a deployed service. It only reads."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TextIO

from deploy.checks import access, account, address, capacity, jobs, organization, project
from deploy.checks.checkup import Checkup
from deploy.checks.finding import Finding, Level, fix, know, unchecked
from deploy.checks.reader import ApiDisabled, LoggedOut, NotAllowed, Reader, Unreadable
from deploy.gcloud import WORKERS

OPTIONS: Final = (
    "Before you run a command that deploys, add the other options of your deployment: it removes what you leave out "
    "(docs/deploy.md, Options)."
)
WIDTH: Final = len(Level.KNOW.value)

Check = Callable[[Checkup], Iterator[Finding]]


class Section(NamedTuple):
    """Checks that are printed together, each by what it is about."""

    title: str
    checks: Mapping[str, Check]


BEFORE: Final = (
    Section("Project", {"billing": account.billing, "APIs": project.apis, "the Firestore database": project.database}),
    Section("Organization", {"sign-in": organization.membership, "organization policies": organization.policies}),
    Section(
        "Region",
        {
            "the quotas of jobs": capacity.quotas_of_runs,
            "the quotas of the load balancer": capacity.quotas_of_front,
            "builds": capacity.builds,
            "the network of jobs": project.subnet,
        },
    ),
    Section("Domain", {"DNS": address.dns}),
)
AFTER: Final = (
    Section(
        "Service",
        {
            "functions": access.functions,
            "the certificate": address.front_certificate,
            "Identity-Aware Proxy": access.proxy,
            "members": access.members,
            "a request without a token": access.stranger,
            "a request with a token": access.signed_in,
        },
    ),
    Section(
        "Runs",
        {
            "the buckets": jobs.atlases,
            "the newest job": jobs.last_job,
            "Batch notifications": jobs.notifications,
            "the sweep": jobs.sweep,
        },
    ),
)


def examine(reader: Reader, checkup_of: Callable[[str], Checkup], out: TextIO) -> int:
    """Check everything, print the findings with a summary, and return the exit code: 1 if there is something to fix.

    Args:
        checkup_of: returns what checks need, for the number of the project.
        out: where findings are printed.
    """
    printer = _Printer(out)
    printer.section("You", list(_guarded("gcloud", account.gcloud, reader)))
    try:
        found, findings = account.project(reader)
    except Unreadable as error:
        found, findings = None, [fix(f"The project {reader.project} cannot be read: {error}")]
    printer.section("", findings)
    if found is not None:
        checkup = checkup_of(str(found["projectNumber"]))
        _run(checkup, BEFORE, printer)
        if missing := _missing(checkup):
            printer.section("Service", [missing])
        else:
            _run(checkup, AFTER, printer)
    return printer.summary()


def _missing(checkup: Checkup) -> Finding | None:
    """Return why nothing about a deployed service is checked; None if it is deployed."""
    try:
        if checkup.backends_if_any():
            return None
    except Unreadable as error:
        return _refusal("the service", checkup.reader.project, error)
    return know(
        f"The service is not deployed yet ({checkup.target.prefix} in {checkup.target.project}).", checkup.deploy
    )


def _run(checkup: Checkup, sections: Sequence[Section], printer: "_Printer") -> None:
    """Run the checks of all sections concurrently, and print them in order."""
    with ThreadPoolExecutor(WORKERS) as pool:
        running = [
            (section.title, [pool.submit(_collect, about, check, checkup) for about, check in section.checks.items()])
            for section in sections
        ]
        for title, started in running:
            printer.section(title, [finding for each in started for finding in each.result()])


def _collect(about: str, check: Check, checkup: Checkup) -> list[Finding]:
    return list(_guarded(about, check, checkup))


def _guarded(about: str, check: Callable[..., Iterator[Finding]], subject: Checkup | Reader) -> Iterator[Finding]:
    """Yield the findings of a check; whatever cannot be read becomes a finding."""
    name = subject.project if isinstance(subject, Reader) else subject.reader.project
    try:
        yield from check(subject)
    except Unreadable as error:
        yield _refusal(about, name, error)


def _refusal(about: str, name: str, error: Unreadable) -> Finding:
    start = f"{about[0].upper()}{about[1:]} could not be checked"
    if isinstance(error, NotAllowed):
        needed = f" ({error.permission})" if error.permission else ""
        return unchecked(
            f"{start}: you may not read this{needed}. Ask an owner of {name} for roles/viewer, or for this permission."
        )
    if isinstance(error, ApiDisabled) and error.api:
        return unchecked(
            f"{start}: the API {error.api} is not enabled yet. ./deploy.sh enables it. To check now:",
            f"gcloud services enable {error.api}.googleapis.com --project={name}",
        )
    if isinstance(error, LoggedOut):
        return fix(str(error), account.LOGIN)
    return unchecked(f"{start}: {error}")


class _Printer:
    """Print findings, and count them."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._counts = dict.fromkeys(Level, 0)
        self._deploys = False

    def section(self, title: str, findings: Sequence[Finding]) -> None:
        """Print the findings of a section; an empty title continues the last one."""
        if title:
            print(f"\n{title}", file=self._out)
        for finding in findings:
            self._counts[finding.level] += 1
            self._deploys |= finding.command.startswith("./deploy.sh --")
            first, *others = [*finding.text.splitlines(), *([f"$ {finding.command}"] if finding.command else [])]
            print(f"  {finding.level.value:<{WIDTH}}  {first}", file=self._out)
            for line in others:
                print(f"  {'':<{WIDTH}}  {line}", file=self._out)
        self._out.flush()

    def summary(self) -> int:
        """Print the summary and return the exit code."""
        if self._deploys:
            print(f"\n  {OPTIONS}", file=self._out)
        to_fix, to_know = self._counts[Level.FIX], self._counts[Level.KNOW]
        print(f"\n{to_fix} to fix, {to_know} to know, {self._counts[Level.UNCHECKED]} not checked", file=self._out)
        return 1 if to_fix else 0

"""The address of the service: DNS and the certificate."""

import socket
from collections.abc import Iterator
from typing import Final

from deploy.checks.checkup import Checkup
from deploy.checks.finding import Finding, fine, fix, know
from deploy.frontend import certificate

# What the state of a domain in a managed certificate means (https://cloud.google.com/load-balancing/docs/ssl-certificates/troubleshooting).
CERTIFICATE_PROBLEMS: Final = {
    "FAILED_NOT_VISIBLE": "Google does not reach the load balancer at the domain. Fix DNS as said above; then it takes up to an hour.",
    "FAILED_CAA_CHECKING": "The CAA records of the domain could not be read. Check the DNS servers of the domain.",
    "FAILED_CAA_FORBIDDEN": 'The CAA records of the domain forbid Google to issue a certificate. Add `0 issue "pki.goog"`.',
    "FAILED_RATE_LIMITED": "Google has issued too many certificates for this domain lately. Wait a day.",
}


def resolve(domain: str) -> set[str]:
    """Return the addresses of a host name; none if it does not resolve."""
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(domain, 443, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def dns(checkup: Checkup) -> Iterator[Finding]:
    """Check that the domain resolves to the reserved address, and to no other."""
    target, name = checkup.target, checkup.target.name("front")
    if not target.domain:
        yield know("The domain was not checked. Pass --domain.")
        return
    resolved = checkup.resolve(target.domain)
    now = f"It resolves to {', '.join(sorted(resolved))} now." if resolved else "It does not resolve yet."
    found = checkup.reader.by_name("compute addresses list", "--global").get(name)
    if found is None:
        yield know(
            f"The address of {target.domain} is not reserved yet. After ./deploy.sh, point an A record to it. {now}",
            checkup.gcloud("compute", "addresses", "describe", name, "--global", "--format=value(address)"),
        )
        return
    reserved = str(found.get("address", ""))
    if resolved == {reserved}:
        yield fine(f"{target.domain} resolves to {reserved}.")
    elif reserved in resolved:
        others = ", ".join(sorted(resolved - {reserved}))
        yield fix(
            f"{target.domain} also resolves to {others}, which keeps Google from issuing the certificate. Remove all A and AAAA "
            f"records except {target.domain}. A {reserved}"
        )
    else:
        yield fix(
            f"Set this DNS record: {target.domain}. A {reserved}\n{now} A new record may take an hour to be seen."
        )


def front_certificate(checkup: Checkup) -> Iterator[Finding]:
    """Check that the certificate is active."""
    target = checkup.target
    if not target.domain:
        return
    name = certificate(target)
    found = checkup.reader.find("compute ssl-certificates describe", name, "--global")
    if found is None:
        yield fix(f"{target.domain} has no certificate. Deploy again:", checkup.deploy)
        return
    managed = found.get("managed", {})
    status = managed.get("status", "")
    if status == "ACTIVE":
        yield fine(f"The certificate of {target.domain} is active.")
        return
    state = managed.get("domainStatus", {}).get(target.domain, status)
    meaning = CERTIFICATE_PROBLEMS.get(state, "Google issues it within an hour after DNS points to the load balancer.")
    finding = fix if state in CERTIFICATE_PROBLEMS or status.endswith("_FAILED") else know
    command = checkup.gcloud("compute", "ssl-certificates", "describe", name, "--global")
    yield finding(
        f"The certificate of {target.domain} is not active ({state or 'no state'}). {meaning} Its state:", command
    )

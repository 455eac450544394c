"""The command for the sign-in of other programs: token."""

from datetime import UTC, datetime
from typing import Annotated

from typer import Option, echo

from haystack_client import identity
from haystack_client.commands.options import ACCOUNT_HELP
from haystack_client.errors import RetryPolicy, retry
from haystack_client.operations import address
from haystack_client.terminal import Terminal


def token(
    service_account: Annotated[str, Option(envvar="HAYSTACK_SERVICE_ACCOUNT", help=ACCOUNT_HELP)],
    url: Annotated[str, Option(envvar="HAYSTACK_URL", help="Address of the service, without /api/v1.")],
    as_json: Annotated[bool, Option("--json", help="Print token and expiry as one JSON document.")] = False,
) -> None:
    """Print a token for another program, valid for an hour.

    For example: `curl -H "Authorization: Bearer $(haystack token)" "$HAYSTACK_URL/api/v1/runs"`
    """
    terminal = Terminal(for_program=as_json)
    account = identity.ServiceAccount(service_account)
    signed = retry(lambda: account.token(address(url)), RetryPolicy(on_retry=terminal.warn))
    if as_json:
        expires_at = datetime.fromtimestamp(identity.expiry(signed), UTC).isoformat().replace("+00:00", "Z")
        terminal.document({"token": signed, "expires_at": expires_at})
    else:
        echo(signed)

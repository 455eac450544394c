"""The text of an error for the operator who ingests: unlike a caller of the service, the operator can log in and grant roles."""

from typing import Final

from google.api_core.exceptions import PermissionDenied
from google.auth.exceptions import DefaultCredentialsError, RefreshError

from shared.errors import SettingsInvalid, Unavailable

LOGGED_OUT: Final = "You are not logged in to Google Cloud. Run: gcloud auth login --update-adc"
NO_ROLE: Final = (
    "Your Google account has no permission to use {service} in this project. An ingest needs roles/datastore.user (the catalog) and "
    "roles/storage.objectUser (the bucket of the atlases)."
)
SETTINGS: Final = "For a deployment, load its settings first: source build/deploy/PROJECT/ENV/ingest.env"


def told(error: Exception) -> str:
    """Return the text of an error, or of its cause if the operator can do something about that."""
    causes, cause = list[BaseException](), error.__cause__
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__
    if any(isinstance(each, DefaultCredentialsError | RefreshError) for each in causes):
        return LOGGED_OUT
    if isinstance(error, Unavailable) and any(isinstance(each, PermissionDenied) for each in causes):
        return NO_ROLE.format(service=error.service)
    return f"{error}\n{SETTINGS}" if isinstance(error, SettingsInvalid) else str(error)

"""What a request to create a run would lead to, without keeping or submitting anything."""

from shared import control_strategy
from shared.catalog_view import CatalogView
from shared.fields import Model
from shared.models import CreateRunRequest
from shared.validation_models import ControlStrategyValidation, ControlStrategyValidationRequest


class RunPreview(Model):
    """What `validate_only` answers: what would run, and whether it would get anywhere. Nothing was kept or submitted."""

    would_run: bool
    reason: str | None
    request: CreateRunRequest
    validation: ControlStrategyValidation


def preview(request: CreateRunRequest, view: CatalogView) -> RunPreview:
    """What would run if a question were submitted, and whether it would get anywhere.

    Args:
        request: the request to create a run.
        view: the catalog.
    """
    asked = ControlStrategyValidationRequest(query=request.query, control_strategy=request.control_strategy)
    validation = control_strategy.validate(asked, view)
    would_run = bool(validation.datasets)
    return RunPreview(
        would_run=would_run,
        reason=None if would_run else validation.warning,
        request=request,
        validation=validation,
    )

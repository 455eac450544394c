"""`./deploy.sh doctor` as a whole: what it prints, how it counts, and that it changes nothing."""

import io
import re
from dataclasses import replace

import pytest

from deploy import doctor
from tests.deploy.checks.conftest import Examination, examining, serve
from tests.deploy.conftest import PROJECT, WHERE, deploy, repository_in
from tests.deploy.test_deploy import READING

pytestmark = pytest.mark.timeout(300)  # about 50 commands


def examine(examination: Examination) -> tuple[int, str]:
    """Return the exit code and the output."""
    out = io.StringIO()
    return doctor.examine(examination.reader, examination.checkup, out), out.getvalue()

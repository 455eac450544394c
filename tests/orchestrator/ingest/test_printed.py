"""What an ingest prints, as its record and its log show it."""

import subprocess
import sys

from orchestrator.ingest.printed import Printed


def printed(code: str) -> tuple[Printed, list[str], int]:
    steps: list[str] = []
    found = Printed(lambda text: text.replace("/tmp/copy.h5ad", "gs://b/f.h5ad"), steps.append)  # noqa: S108
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        return found, steps, found.read(process)


def test_lines_that_replace_each_other_are_progress_and_no_output() -> None:
    found, steps, code = printed(r"print('summary'); print('10%', end='\r', flush=True); print('20%', end='\r')")
    assert (found.text, steps[-1], code) == ("summary", "20%", 0)


def test_a_table_keeps_its_form() -> None:
    assert printed("print('a  b\\n\\n1  2')")[0].text == "a  b\n\n1  2"


def test_the_last_message_of_a_failure_is_whole_and_names_the_file_as_the_operator_knows_it() -> None:
    found, _, code = printed(
        "import sys; sys.exit('reading 10%\\nNo counts in /tmp/copy.h5ad:\\n  X is binary\\n  raw is missing')"
    )
    assert code == 1
    assert found.last_message == "No counts in gs://b/f.h5ad:\n  X is binary\n  raw is missing"


def test_of_a_traceback_the_error_is_the_message() -> None:
    found, _, _ = printed("raise ValueError('no cells')")
    assert found.last_message == "ValueError: no cells"


def test_the_end_of_a_long_output_is_what_stays() -> None:
    found, _, _ = printed("for i in range(20000): print('line', i)")
    assert len(found.text) <= 64_000
    assert found.text.endswith("line 19999")

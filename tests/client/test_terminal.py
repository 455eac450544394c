"""What people read: text means itself, and lines that may be copied stay whole."""

import pytest

from client import show
from client.terminal import Terminal, plain

LONG = "/a/path/" + "with/many/folders/" * 12


def test_brackets_and_colons_mean_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.line("[bold]not bold[/bold] :smile: [/]")
    terminal.prose("[red]nor red[/red]")
    assert capsys.readouterr().out == "[bold]not bold[/bold] :smile: [/]\n[red]nor red[/red]\n"


def test_long_lines_are_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().line(LONG)
    assert capsys.readouterr().out == LONG + "\n"


def test_text_of_the_service_cannot_move_the_cursor() -> None:
    assert plain("a\x1b[2Jb\x9bc\rd\te\n") == "a�[2Jb�c�d\te\n"


def test_for_a_program_people_read_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(for_program=True)
    terminal.line("for people")
    terminal.document({"query": "IFN-γ"})
    captured = capsys.readouterr()
    assert captured.out == '{\n  "query": "IFN-γ"\n}\n'
    assert captured.err == "for people\n"


def test_eighty_columns_cut_the_question_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    run = {
        "run_id": "run_0123456789ab",
        "status": "completed",
        "grounding_scores": [5, 6, 7],
        "created_at": "2026-01-31T12:00:00.000000Z",
        "query": "How would [CD14] monocytes respond to IFN-gamma,\nand why would they?",
    }
    terminal = Terminal()
    terminal.people.width = 80
    show.runs(terminal, {"runs": [run], "total": 1})
    row = capsys.readouterr().out.splitlines()[2]
    assert row.startswith("run_0123456789ab   completed   5 6 7")
    assert "How would [CD14]" in row
    assert row.endswith("…")
    assert len(row) <= 80

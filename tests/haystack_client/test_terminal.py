"""Output: text is never markup, lines that people may copy stay whole, and each stream gets its part."""

import json
import string

import pytest

from haystack_client.terminal import Terminal, plain

LONG = "/a/path/" + "with/many/folders/" * 12
HARMFUL = "\x1b[2J\x1b]0;title\x07\x9b31m\r\x08\x7f\u202egnp.exe\u2069\ud800"
DOCUMENT = {"query": "How would" + HARMFUL, "scores": [1, None]}


def test_brackets_and_colons_are_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.line("[bold]not bold[/bold] :smile: [/]")
    terminal.prose("[red]nor red[/red]")
    assert capsys.readouterr().out == "[bold]not bold[/bold] :smile: [/]\n[red]nor red[/red]\n"


def test_long_lines_are_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().line(LONG)
    assert capsys.readouterr().out == LONG + "\n"


def test_control_characters_are_replaced() -> None:
    assert plain("a\x1b[2Jb\x9bc\rd\te\n") == "a�[2Jb�c�d\te\n"


def test_json_keeps_its_content_and_escapes_harmful_characters(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(for_program=True).document(DOCUMENT)
    written = capsys.readouterr().out
    assert json.loads(written) == DOCUMENT
    assert not set(HARMFUL) & set(written) - set(string.printable[:95])


def test_with_json_lines_for_people_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(for_program=True)
    terminal.line("for people")
    terminal.document({"query": "IFN-γ"})
    captured = capsys.readouterr()
    assert captured.out == '{\n  "query": "IFN-γ"\n}\n'
    assert captured.err == "for people\n"

"""Progress as people see it: a changing line on a terminal, otherwise a line every ten seconds, and nothing for what is quick."""

from io import StringIO

from orchestrator.ingest.terminal_progress import shown_on


class Screen(StringIO):
    """A stream that is a terminal, or not."""

    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


def shown(screen: Screen, *phases: tuple[str, int, int, float]) -> str:
    """Show phases of so many cells, in so many reports, that take so many seconds each."""
    now = 0.0
    with shown_on(screen, lambda: now) as report:
        for phase, cells, reports, seconds in phases:
            for number in range(reports + 1):
                report(phase, cells * number // reports, cells)
                if number < reports:
                    now += seconds / reports
    return screen.getvalue()


def test_what_takes_less_than_two_seconds_shows_nothing() -> None:
    for is_terminal in (True, False):
        assert shown(Screen(is_terminal=is_terminal), ("reading", 1000, 50, 1.9), ("writing", 1000, 50, 1.5)) == ""


def test_without_a_terminal_a_line_says_every_ten_seconds_how_fast_and_how_long() -> None:
    lines = shown(Screen(is_terminal=False), ("reading", 10, 1, 0.5), ("writing", 100_000, 100, 50.0)).splitlines()
    assert lines[0] == "writing: 4% of 100,000 cells, 2,000 cells/s, 48 s left"
    assert lines[-1] == "writing: 100,000 cells in 50 s"
    assert 5 <= len(lines) <= 7


def test_on_a_terminal_one_line_changes_at_most_five_times_a_second_and_its_last_state_stays() -> None:
    text = shown(Screen(is_terminal=True), ("writing", 100_000, 10_000, 10.0), ("profiling groups", 100_000, 1000, 4.0))
    written, profiled, end = text.split("\n")
    states = written.split("\r\x1b[2K")[1:]
    assert states[0] == "writing: 20% of 100,000 cells, 10,000 cells/s, 8 s left"
    assert states[-1] == "writing: 100,000 cells in 10 s"
    assert 30 <= len(states) <= 42
    assert profiled.endswith("profiling groups: 100,000 cells in 4 s")
    assert end == ""


def test_long_times_are_in_minutes_and_hours() -> None:
    text = shown(Screen(is_terminal=False), ("writing", 9_000_000, 9000, 9000.0))
    assert "1,000 cells/s, 2 h 29 min left" in text
    assert "59 min 58 s left" in text
    assert text.endswith("writing: 9,000,000 cells in 2 h 30 min\n")


def test_an_error_ends_the_line() -> None:
    screen = Screen(is_terminal=True)
    now = 0.0
    try:
        with shown_on(screen, lambda: now) as report:
            report("writing", 0, 100)
            now = 3.0
            report("writing", 50, 100)
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert screen.getvalue().endswith("writing: 50 cells in 3 s\n")


def test_an_unknown_total_and_a_phase_without_work_show_no_time_left() -> None:
    screen = Screen(is_terminal=False)
    now = 0.0
    with shown_on(screen, lambda: now) as report:
        report("reading", 0, 0)
        now = 5.0
        report("reading", 0, 0)
        now = 15.0
        report("reading", 300, 0)
    assert screen.getvalue().splitlines()[:2] == ["reading: 0 cells", "reading: 300 cells, 20 cells/s"]

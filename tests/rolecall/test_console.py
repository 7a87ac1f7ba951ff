import io
import logging

from contracts.progress import Step
from rolecall.console import ConsoleHandler

STEP = Step("embed", 768, 1_500, "texts", 142.0, "texts", 5.2)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(stream: io.StringIO, *messages: str | Step) -> str:
    handler = ConsoleHandler(stream)
    for message in messages:
        record = logging.LogRecord("rolecall", logging.INFO, "", 0, f"embed: {message}", None, None)
        if isinstance(message, Step):
            record.progress = message
        handler.emit(record)
    handler.close()
    return stream.getvalue()


def test_without_a_terminal_every_message_is_a_plain_line():
    assert written(io.StringIO(), STEP, "done") == "embed: 768/1,500 texts, 142/s, 5 s left\nembed: done\n"


def test_on_a_terminal_progress_is_a_bar_that_the_next_message_replaces(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    shown = written(Terminal(), STEP, "done")
    assert "768/1,500 texts" in shown and shown.endswith("embed: done\n")
    assert "\x1b[2K" in shown.split("768/1,500 texts")[1], "the bar is not erased"


def test_a_message_that_only_reads_like_progress_stays_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    assert written(Terminal(), "nothing is left", "done") == "embed: nothing is left\nembed: done\n"

import io
import logging

from rolecall.console import ConsoleHandler


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(stream: io.StringIO, *messages: str) -> str:
    handler = ConsoleHandler(stream)
    for message in messages:
        handler.emit(logging.LogRecord("rolecall", logging.INFO, "", 0, message, None, None))
    handler.close()
    return stream.getvalue()


def test_without_a_terminal_every_message_is_a_plain_line():
    assert written(io.StringIO(), "step 1/2, 3 s left", "done") == "step 1/2, 3 s left\ndone\n"


def test_on_a_terminal_the_next_message_takes_the_place_of_progress():
    assert written(Terminal(), "step 1/2, 3 s left", "done") == "step 1/2, 3 s left\r\x1b[2Kdone\n"


def test_a_terminal_is_left_on_a_fresh_line():
    assert written(Terminal(), "step 1/2, 3 s left").endswith("left\n")

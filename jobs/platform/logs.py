"""Structured logs: one JSON object per line in DIETZ_HOME/logs/dietz.jsonl, with run_id and file_id where bound."""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TextIO, cast

import structlog

from jobs.platform.settings import Settings

_open: dict[str, TextIO] = {}

# Of a line, what may have the name of a file as delivered, and with it an account number.
SAID_OF_FILES = ("file", "member", "reason", "error", "exception")
_LONG_NUMBER = re.compile(r"(?<![\d.])\d(?:-?\d){6,}(?!\d*\.\d)")
_DAY = r"(?:19|20)\d\d-?(?:0[1-9]|1[0-2])-?(?:0[1-9]|[12]\d|3[01])"
_DATES = re.compile(rf"(?:\d{{1,3}}-)?{_DAY}(?:-(?:{_DAY}|\d{{1,6}}))?")


def configure(settings: Settings) -> None:
    """Send this process's log to the workspace's file. May be called again; the last workspace wins."""
    path = str(settings.folder("logs") / "dietz.jsonl")
    if path not in _open:
        # Line buffered and appending: lines of several processes do not mix, and a kill loses none.
        _open[path] = open(path, "a", buffering=1, encoding="utf-8")  # noqa: SIM115
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _hide_numbers,
            structlog.processors.JSONRenderer(default=str),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=_open[path]),
        cache_logger_on_first_use=False,
    )


def get_log() -> structlog.BoundLogger:
    """The logger: `get_log().info("published", rows=10)`. Bind context with `bind(run_id=...)`."""
    return cast(structlog.BoundLogger, structlog.get_logger())


def bind(**context: object) -> None:
    """Put run_id, file_id, step ... on every following line of this thread."""
    structlog.contextvars.bind_contextvars(**context)


def unbind(*names: str) -> None:
    """Take names bound before off the following lines."""
    structlog.contextvars.unbind_contextvars(*names)


class Workers(ThreadPoolExecutor):
    """Threads whose lines carry what was bound where they were given their work."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As ThreadPoolExecutor.submit, and so does `map`."""
        return super().submit(copy_context().run, fn, *args, **kwargs)


def _hide_numbers(logger: object, method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in SAID_OF_FILES:
        if isinstance(line.get(name), str):
            line[name] = mask_numbers(line[name])
    return line


def mask_numbers(text: str, hidden: Callable[[str], str] | None = None) -> str:
    """A text with its long numbers, which may be accounts, masked; dates and amounts stay.

    hidden: what is to stand there for a number; left out: as `mask` does.

    >>> mask_numbers("statement_4711-0815_2026-03-31.csv")
    'statement_******815_2026-03-31.csv'
    """
    hide = hidden or mask
    return _LONG_NUMBER.sub(lambda found: found[0] if _DATES.fullmatch(found[0]) else hide(found[0]), text)


def mask(account_number: str) -> str:
    """An account number that may stand in a log: all but the last three characters hidden, short ones entirely.

    >>> mask("4711-0815")
    '******815'
    >>> mask("815")
    '***'
    """
    shown = account_number[-3:] if len(account_number) > 3 else ""
    return "*" * (len(account_number) - len(shown)) + shown

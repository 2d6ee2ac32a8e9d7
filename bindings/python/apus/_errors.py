"""Errors: a number for programs, a sentence for people."""

from __future__ import annotations

import ctypes
from enum import IntEnum
from typing import Any, Tuple

from ._library import CError


class Status(IntEnum):
    """apus_status. The numbers never change their meaning."""

    OK = 0
    # The caller's arguments.
    INVALID_ARGUMENT = 100
    INVALID_HANDLE = 101
    INVALID_SHAPE = 102
    INVALID_TYPE = 103
    UNKNOWN_NAME = 104
    ARENA_TOO_SMALL = 105
    ARENA_MISALIGNED = 106
    # The model's file.
    FILE_NOT_FOUND = 200
    FILE_UNREADABLE = 201
    NOT_A_MODEL = 202
    NEWER_FORMAT = 203
    CORRUPT_FILE = 204
    INVALID_MODEL = 205
    UNSUPPORTED = 206
    # The machine.
    OUT_OF_MEMORY = 300
    THREAD_FAILED = 301
    UNSUPPORTED_PROCESSOR = 302


class ApusError(Exception):
    """What went wrong.

    Attributes:
        status: the error's number, a `Status` (or a plain int where the library is newer than this
            package and knows more of them).
        message: one sentence that names the field, operator or argument, what was found and what
            was wanted.
    """

    status: int
    message: str

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        try:
            self.status = Status(status)
        except ValueError:
            self.status = status
        self.message = message

    def __str__(self) -> str:
        return self.message


def check(status: int, error: CError) -> None:
    """Raises what a C call reported."""
    if status != Status.OK:
        raise ApusError(status, error.message.decode("utf-8", "replace"))


def new_error() -> Tuple[CError, Any]:
    """An apus_error and the pointer to pass."""
    error = CError()
    return error, ctypes.byref(error)

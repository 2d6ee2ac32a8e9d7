"""What include/apus.h promises in numbers and words: pinned values, and when each call is allowed."""

import re

import locate
import pytest
from harness import apus

HEADER = (locate.REPOSITORY / "include/apus.h").read_text()
HPP = (locate.REPOSITORY / "bindings/cpp/apus.hpp").read_text()
REALTIME_TEST = (locate.REPOSITORY / "Tests/c/realtime.c").read_text()

# They never change: programs that were compiled years ago compare with them.
STATUS = {
    "OK": 0, "INVALID_ARGUMENT": 100, "INVALID_HANDLE": 101, "INVALID_SHAPE": 102,
    "INVALID_TYPE": 103, "UNKNOWN_NAME": 104, "ARENA_TOO_SMALL": 105, "ARENA_MISALIGNED": 106,
    "FILE_NOT_FOUND": 200, "FILE_UNREADABLE": 201, "NOT_A_MODEL": 202, "NEWER_FORMAT": 203,
    "CORRUPT_FILE": 204, "INVALID_MODEL": 205, "UNSUPPORTED": 206, "OUT_OF_MEMORY": 300,
    "THREAD_FAILED": 301, "UNSUPPORTED_PROCESSOR": 302,
}  # fmt: skip
DTYPES = {
    "FLOAT32": 1, "FLOAT16": 2, "BFLOAT16": 3, "INT8": 4, "UINT8": 5, "INT32": 6, "INT64": 7,
    "BOOL": 8,
}  # fmt: skip


def constants(type_name):
    body = re.search(rf"typedef enum {type_name} {{(.*?)}} {type_name};", HEADER, re.DOTALL)[1]
    return {n: int(v) for n, v in re.findall(r"\bAPUS_(?:ERROR_)?(\w+) = (\d+)", body)}


def functions():
    """Each function's name, the comment that speaks of it, and its declaration."""
    found = {}
    comment = ""
    pattern = r"/\*(.*?)\*/|^APUS_API ([^;]*);|^(?:typedef|#define)"
    for match in re.finditer(pattern, HEADER, re.DOTALL | re.MULTILINE):
        if match[1] is not None:
            comment = match[1]
        elif match[2] is not None:
            found[re.search(r"(apus_\w+)\(", match[2])[1]] = (comment, match[2])
        else:
            comment = ""
    return found


FUNCTIONS = functions()


def test_numbers_are_pinned():
    assert constants("apus_status") == STATUS
    assert constants("apus_dtype") == DTYPES
    assert constants("apus_precision") == {"PRECISION_FLOAT32": 0, "PRECISION_BF16": 1}
    assert {s.name: s.value for s in apus.Status} == STATUS


def test_the_cpp_binding_has_them_all():
    body = re.search(r"enum class status : int {(.*?)};", HPP, re.DOTALL)[1]
    assert dict(re.findall(r"(\w+) = APUS_(?:ERROR_)?(\w+)", body)) == {
        name.lower(): name for name in STATUS
    }
    body = re.search(r"enum class dtype : int {(.*?)};", HPP, re.DOTALL)[1]
    assert [value for _, value in re.findall(r"(\w+) = APUS_(\w+)", body)] == list(DTYPES)


def test_the_python_binding_declares_only_what_is_there():
    from apus import _library

    assert set(_library._SIGNATURES) <= set(FUNCTIONS)
    for name, (_, arguments) in _library._SIGNATURES.items():
        declared = re.search(r"\((.*)\)", FUNCTIONS[name][1], re.DOTALL)[1]
        count = 0 if declared == "void" else declared.count(",") + 1
        assert len(arguments) == count, name


@pytest.mark.parametrize("name", FUNCTIONS)
def test_when_it_may_be_called(name):
    comment, declaration = FUNCTIONS[name]
    real_time = re.search(r"Real-time: (yes|no)", comment)
    assert real_time, f"{name} does not say whether a real-time callback may call it"
    assert re.search(r"\b[Tt]hreads: ", comment) or "and threads:" in comment, name
    if real_time[1] == "yes":
        # test_c_api.py runs that program under a filter that lets no system call pass.
        assert f"{name}(" in REALTIME_TEST, f"{name} is real-time, and nothing tests it"
    if declaration.startswith("apus_status "):
        assert declaration.endswith("apus_error *error)"), name


def test_there_are_functions():
    assert len(FUNCTIONS) == HEADER.count("\nAPUS_API ") > 25

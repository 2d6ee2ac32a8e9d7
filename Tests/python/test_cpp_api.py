"""bindings/cpp/apus.hpp: clean under every warning, and right, with and without exceptions."""

import subprocess

import locate
import pytest
from compilers import CXX_COMPILERS, INCLUDES, compile_program, run
from harness import Writer, add_node, open_model


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    writer = Writer()
    writer.metadata = [("name", "test")]
    for name in ("main", "other"):
        f = writer.function(name)
        (y,) = add_node(f, "Relu", [f.input("x", "float32", ("batch", 3))])
        f.output(y, "y", "float32", ("batch", 3))
    open_model(writer)
    path = tmp_path_factory.mktemp("model") / "net.apus"
    path.write_bytes(writer.to_bytes())
    return path


@pytest.mark.parametrize("compiler", CXX_COMPILERS)
@pytest.mark.parametrize(
    "flags",
    [["-std=c++17"], ["-std=c++17", "-fno-exceptions", "-fno-rtti"], ["-std=c++20"]],
    ids=" ".join,
)
def test_binding(compiler, flags, model_file, tmp_path):
    program = compile_program(
        compiler, locate.REPOSITORY / "Tests/cpp/binding.cpp", tmp_path / "binding",
        [*flags, "-Wold-style-cast", "-Wsign-conversion"],
    )  # fmt: skip
    assert run([program, model_file]) == "fine\n"


@pytest.mark.parametrize("compiler", CXX_COMPILERS)
def test_span_takes_only_what_fits(compiler, tmp_path):
    """No conversion from const to mutable, or from one element type to another."""
    for line, fine in [
        ("std::vector<float> v; apus::span<const float> s(v);", True),
        ("const std::vector<float> v; apus::span<const float> s(v);", True),
        ("std::array<float, 3> v; apus::span<float> s(v);", True),
        ("float v[3]; apus::span<const float> s(v);", True),
        ("apus::span<float> v; apus::span<const float> s = v;", True),
        ("const std::vector<float> v; apus::span<float> s(v);", False),
        ("std::vector<double> v; apus::span<float> s(v);", False),
        ("std::vector<int> v; apus::span<const float> s(v);", False),
        ("apus::span<const float> v; apus::span<float> s = v;", False),
        ("apus::model a, b(a);", False),
        ("apus::tensor t; apus::failure f; t.as<double>(f);", False),
    ]:
        source = tmp_path / "line.cpp"
        source.write_text(f'#include "apus.hpp"\nvoid f(); void f() {{ {line} }}\n')
        done = subprocess.run(
            [compiler, "-std=c++17", *INCLUDES, "-fsyntax-only", str(source)],
            capture_output=True, text=True,
        )  # fmt: skip
        assert (done.returncode == 0) == fine, (line, done.stderr)

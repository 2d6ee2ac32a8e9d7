"""The C API from C: error paths, memory, locks, system calls."""

import locate
import models
import numpy as np
import pytest
from apus_writer import assemble
from compilers import C_COMPILERS, CXX_COMPILERS, compile_program, run, run_real_time
from harness import Writer, add_node, apus, open_model

C = locate.REPOSITORY / "Tests/c"


def api_model() -> Writer:
    """What Tests/c/api.c expects."""
    writer = Writer()
    writer.metadata = [("name", "test"), ("empty", "")]
    h = writer.state("h", initial=np.array([10, -1], np.float32))
    main = writer.function("main")
    a = main.input("a", "float32", (2, 3))
    b = main.input("b", "float32", ("batch", 3))
    for x, name, shape in [(a, "ra", (2, 3)), (b, "rb", ("batch", 3))]:
        (y,) = add_node(main, "Relu", [x])
        main.output(y, name, "float32", shape)
    (before,) = add_node(main, "Identity", [h])
    main.output(before, "before", "float32", (2,))
    (rectified,) = add_node(main, "Relu", [h])
    main.update(h, rectified)
    other = writer.function("other")
    (y,) = add_node(other, "Relu", [other.input("x", "float32", (4,))])
    other.output(y, "y", "float32", (4,))
    open_model(writer)
    return writer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    data = api_model().to_bytes()
    (folder / "net.apus").write_bytes(data)
    (folder / "empty").write_bytes(b"")
    (folder / "text").write_text("label,p0,p1\n")
    (folder / "cut").write_bytes(data[:-64])
    (folder / "newer").write_bytes(assemble([], (2, 0)))
    return folder


@pytest.mark.parametrize("compiler", C_COMPILERS)
def test_error_paths(compiler, folder, tmp_path):
    program = compile_program(compiler, C / "api.c", tmp_path / "api", ["-std=c99"])
    assert run([program, folder / "net.apus", folder]) == "fine\n"


@pytest.mark.parametrize("standard", ["c99", "c11", "c17"])
@pytest.mark.parametrize("compiler", C_COMPILERS)
def test_header_in_c(compiler, standard, tmp_path):
    source = tmp_path / "header.c"
    source.write_text('#include "apus.h"\n#include "apus.h"\nint apus_header_test;\n')
    compile_program(
        compiler, source, tmp_path / "header.o",
        [f"-std={standard}", "-c", "-Wstrict-prototypes", "-Wold-style-definition"], link=False,
    )  # fmt: skip


@pytest.mark.parametrize("standard", ["c++98", "c++11", "c++17", "c++20"])
@pytest.mark.parametrize("compiler", CXX_COMPILERS)
def test_header_in_cpp(compiler, standard, tmp_path):
    source = tmp_path / "header.cpp"
    source.write_text('#include "apus.h"\n#include "apus.h"\nint apus_header_test;\n')
    flags = [f"-std={standard}", "-c"]
    if standard == "c++98":
        flags.append("-Wno-long-long")  # int64_t is one in the system's own header
    compile_program(compiler, source, tmp_path / "header.o", flags, link=False)


@pytest.mark.parametrize("compiler", C_COMPILERS + CXX_COMPILERS)
def test_initialisers(compiler, tmp_path):
    """The initialiser macros are clean and give the sizes."""
    c = compiler in C_COMPILERS
    source = tmp_path / ("init.c" if c else "init.cpp")
    source.write_text(
        """
#include "apus.h"
int main(void) {
  apus_build_info b = APUS_BUILD_INFO_INIT;
  apus_tensor_info t = APUS_TENSOR_INFO_INIT;
  apus_model_options m = APUS_MODEL_OPTIONS_INIT;
  apus_session_options s = APUS_SESSION_OPTIONS_INIT;
  apus_memory_info i = APUS_MEMORY_INFO_INIT;
  return !(b.struct_size == sizeof b && t.struct_size == sizeof t && m.struct_size == sizeof m &&
           s.struct_size == sizeof s && i.struct_size == sizeof i);
}
"""
    )
    run([compile_program(compiler, source, tmp_path / "init", ["-std=c99" if c else "-std=c++17"])])


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    """Writes one of the networks of models.py, once."""
    folder = tmp_path_factory.mktemp("networks")

    def path(name):
        file = folder / f"{name}.apus"
        if not file.exists():
            file.write_bytes(models.make(name).to_bytes())
        return file

    return path


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """Compiles a C test once."""
    folder = tmp_path_factory.mktemp("programs")

    def program(name):
        target = folder / name
        if not target.exists():
            compile_program(C_COMPILERS[0], C / f"{name}.c", target, ["-std=gnu11"])
        return target

    return program


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", models.MODELS)
def test_memory(name, threads, model_path, programs):
    """The caller's arena holds every byte; the caller's allocator gets back every block, whichever
    of its calls fails, and a failing call is APUS_ERROR_OUT_OF_MEMORY and no more."""
    output = run([programs("memory"), model_path(name), 5, threads])
    assert "allocations" in output


@pytest.mark.parametrize("name", models.MODELS)
def test_bits_for_every_number_of_threads(name, model_path, programs):
    """The digest of all outputs over five runs, from sessions with 1 to 8 threads."""
    digests = set()
    for threads in range(1, 9):
        output = run([programs("memory"), model_path(name), 5, threads])
        digests.add(output.split("digest ")[1])
    assert len(digests) == 1


def test_threads_of_session_and_caller(tmp_path):
    """Shares done by the session's threads, spinning and parked, and by the caller's."""
    writer = Writer()
    f = writer.function("main")
    rng = np.random.default_rng(5)
    x = f.input("x", "float32", (1, 64, 48, 48))
    for _ in range(4):
        w = writer.weight(rng.normal(0, 0.05, (64, 64, 3, 3)).astype(np.float32))
        (x,) = add_node(f, "Conv", [x, w], {"pads": [1, 1, 1, 1]})
        (x,) = add_node(f, "Tanh", [x])
    f.output(x, "y", "float32", (1, 64, 48, 48))
    open_model(writer)
    model = tmp_path / "wide.apus"
    model.write_bytes(writer.to_bytes())
    program = compile_program(C_COMPILERS[0], C / "threads.c", tmp_path / "threads", ["-std=c99"])
    assert run([program, model]) == "fine\n"


@pytest.mark.parametrize("name", models.MODELS)
def test_run_is_real_time(name, model_path, tmp_path):
    run_real_time(model_path(name), 1000, tmp_path)


@pytest.mark.parametrize("name,limit", [("lenet", 1.10)])
def test_arena_is_near_the_lower_bound(name, limit, model_path):
    session = apus.Model(model_path(name)).session()
    assert session.memory.arena_lower_bound <= session.memory.arena
    assert session.memory.arena <= limit * session.memory.arena_lower_bound

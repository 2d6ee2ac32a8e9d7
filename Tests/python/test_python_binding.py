"""The Python binding: what goes in, what comes out, and what each slip is told."""

import ctypes
import gc
import os
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from harness import Writer, add_node, apus, node_model, open_model
import locate

Status = apus.Status


def two_inputs() -> Writer:
    """main: (a [2,3], b [batch,3]) -> relu(a), relu(b); with a state and a second function."""
    writer = Writer()
    writer.metadata = [("name", "zwei Eingänge"), ("producer", "test")]
    main = writer.function("main")
    a = main.input("a", "float32", (2, 3))
    b = main.input("b", "float32", ("batch", 3))
    (ra,) = add_node(main, "Relu", [a])
    (rb,) = add_node(main, "Relu", [b])
    main.output(ra, "ra", "float32", (2, 3))
    main.output(rb, "rb", "float32", ("batch", 3))
    other = writer.function("other")
    x = other.input("x", "float32", (4,))
    (y,) = add_node(other, "Relu", [x])
    other.output(y, "y", "float32", (4,))
    return writer


@pytest.fixture(scope="module")
def model():
    return apus.Model.from_bytes(two_inputs().to_bytes())


def relu_model(shape=(2, 3)):
    return node_model("Relu", [np.zeros(shape, np.float32)])


def fails(status, *parts):
    """Expects an ApusError with this status whose sentence holds all the parts."""

    class Context:
        def __enter__(self):
            self.inner = pytest.raises(apus.ApusError)
            self.caught = self.inner.__enter__()

        def __exit__(self, *exception):
            done = self.inner.__exit__(*exception)
            error = self.caught.value
            assert error.status == status, (error.status, error.message)
            assert str(error) == error.message
            for part in parts:
                assert part in error.message, error.message
            return done

    return Context()


# ---- What a model says of itself


def test_description(model):
    assert model.functions == ["main", "other"]
    assert model.inputs == [
        apus.TensorInfo("a", np.dtype("float32"), (2, 3)),
        apus.TensorInfo("b", np.dtype("float32"), (-1, 3)),
    ]
    assert [t.name for t in model.outputs] == ["ra", "rb"]
    assert model.metadata("name") == "zwei Eingänge"
    assert model.metadata("nothing") is None
    assert model.metadata("nothing", "default") == "default"
    assert model.isa == apus.build_info().best_instruction_set
    assert "a: float32[2, 3]" in repr(model)


def test_build_info():
    info = apus.build_info()
    assert info.version == apus.version() == apus.__version__
    assert info.format_versions == (1, 1)
    assert info.instruction_sets == ["baseline", "avx2", "avx512", "avx512vnni"]


def test_open_from_path(tmp_path):
    path = tmp_path / "größe.apus"
    path.write_bytes(two_inputs().to_bytes())
    for form in (path, str(path), os.fsencode(path)):
        assert apus.Model(form).functions == ["main", "other"]
    assert apus.Model(path, isa="baseline").isa == "baseline"
    assert apus.Model(path, verify_weights=False).isa


def test_open_from_any_buffer():
    data = two_inputs().to_bytes()
    for form in (data, bytearray(data), memoryview(data), np.frombuffer(data, np.uint8)):
        assert apus.Model.from_bytes(form).functions == ["main", "other"]


# ---- Running


def test_run(model):
    session = model.session(shapes={"b": (5, 3)})
    assert [t.shape for t in session.inputs] == [(2, 3), (5, 3)]
    a = np.arange(6, dtype=np.float32).reshape(2, 3) - 3
    b = np.arange(15, dtype=np.float32).reshape(5, 3) - 7
    results = session.run({"a": a, "b": b})
    assert list(results) == ["ra", "rb"]
    np.testing.assert_array_equal(results["ra"], np.maximum(a, 0))
    np.testing.assert_array_equal(results["rb"], np.maximum(b, 0))
    np.testing.assert_array_equal(a, np.arange(6).reshape(2, 3) - 3)
    assert session.arena_bytes == session.memory.arena > 0
    assert session.memory.arena_lower_bound <= session.arena_bytes


def test_free_dimension_is_one(model):
    assert model.session().inputs[1].shape == (1, 3)


def test_results_are_copies():
    session = relu_model().session()
    first = session.run(np.full((2, 3), 1.0))["y0"]
    second = session.run(np.full((2, 3), 2.0))["y0"]
    assert (first == 1).all() and (second == 2).all()
    first[...] = 9
    assert (session.run(np.full((2, 3), 3.0))["y0"] == 3).all()


def test_other_function(model):
    session = model.session(function="other")
    assert session.run(np.array([-1, 2, -3, 4]))["y"].tolist() == [0, 2, 0, 4]


@pytest.mark.parametrize(
    "value",
    [
        [[-1, 2, -3], [4, -5, 6]],
        [[-1.0, 2, -3], [4, -5, 6]],
        np.array([[-1, 2, -3], [4, -5, 6]], np.float64),
        np.array([[-1, 2, -3], [4, -5, 6]], np.float16),
        np.array([[-1, 2, -3], [4, -5, 6]], np.int64),
        np.array([[-1, 2, -3], [4, -5, 6]], ">f4"),
        np.asfortranarray(np.array([[-1, 2, -3], [4, -5, 6]], np.float32)),
        np.repeat(np.array([[-1, 2, -3], [4, -5, 6]], np.float32), 2, axis=1)[:, ::2],
        np.array([[6, -5, 4], [-3, 2, -1]], np.float32)[::-1, ::-1],
    ],
)
def test_what_may_be_passed(value):
    result = relu_model().session().run(value)["y0"]
    assert result.dtype == np.float32 and result.tolist() == [[0, 2, 0], [4, 0, 6]]


def test_misaligned_array():
    raw = np.zeros(25, np.uint8)[1:]
    value = raw.view(np.float32).reshape(2, 3)
    value[...] = [[-1, 2, -3], [4, -5, 6]]
    assert not value.flags.aligned
    assert relu_model().session().run(value)["y0"].tolist() == [[0, 2, 0], [4, 0, 6]]


def test_read_only_array():
    value = np.array([[-1, 2, -3], [4, -5, 6]], np.float32)
    value.flags.writeable = False
    assert relu_model().session().run({"x0": value})["y0"].tolist() == [[0, 2, 0], [4, 0, 6]]


def test_input_passed_on_as_output():
    """An output that is an input itself, and one that a view of it could be."""
    writer = Writer()
    f = writer.function("main")
    x = f.input("x", "float32", (3,))
    f.output(x)
    session = open_model(writer).session()
    for k in range(3):
        assert session.run(np.full(3, k, np.float32))["x"].tolist() == [k] * 3


def test_arrays_are_let_go():
    session = relu_model().session()
    array = np.ones((2, 3), np.float32)
    watch = weakref.ref(array)
    session.run(array)
    del array
    gc.collect()
    assert watch() is None


def test_scalar_input():
    assert node_model("Relu", [np.zeros((), np.float32)]).session().run(-2.0)["y0"].shape == ()


# ---- Slips


def test_wrong_shape(model):
    with fails(Status.INVALID_SHAPE, "input x0", "float32 [2, 3]", "float64 [3, 2]"):
        relu_model().session().run(np.zeros((3, 2)))


@pytest.mark.parametrize(
    "value", [np.zeros((2, 3), complex), np.full((2, 3), "a"), np.zeros((2, 3), object)]
)
def test_wrong_type(value):
    with fails(Status.INVALID_TYPE, "input x0", "float32", str(value.dtype)):
        relu_model().session().run(value)


def test_names(model):
    session = model.session()
    x = np.zeros((2, 3))
    with fails(Status.UNKNOWN_NAME, "input b is missing", "a, b"):
        session.run({"a": x})
    with fails(Status.UNKNOWN_NAME, "'c'", "a, b"):
        session.run({"a": x, "c": x})
    with fails(Status.INVALID_ARGUMENT, "2 inputs (a, b)"):
        session.run(x)
    with fails(Status.UNKNOWN_NAME, "nope"):
        model.session(function="nope")
    with fails(Status.UNKNOWN_NAME, "nope"):
        model.session(shapes={"nope": (1,)})


def test_shapes(model):
    with fails(Status.INVALID_SHAPE, "a", "[2, 3]"):
        model.session(shapes={"a": (2, 4)})
    with fails(Status.INVALID_SHAPE, "b"):
        model.session(shapes={"b": (3,)})
    with fails(Status.INVALID_SHAPE, "b"):
        model.session(shapes={"b": (0, 3)})
    with fails(Status.INVALID_SHAPE, "shapes"):
        model.session(shapes={"b": 3})
    with fails(Status.INVALID_SHAPE, "b"):
        model.session(shapes={"b": (1,) * 9})
    with fails(Status.INVALID_SHAPE):
        model.session(shapes={"b": (2**60, 3)})


@pytest.mark.parametrize("threads", [0, -1, 65, 2**40, 1.5, "2"])
def test_threads(model, threads):
    with fails(Status.INVALID_ARGUMENT, "threads"):
        model.session(threads=threads)


@pytest.mark.parametrize("microseconds", [0, -1, 1.5, "2"])
def test_spin_microseconds(model, microseconds):
    model.session(threads=2, spin_microseconds=1).close()
    with fails(Status.INVALID_ARGUMENT, "spin_microseconds"):
        model.session(threads=2, spin_microseconds=microseconds)


def test_files(tmp_path):
    with fails(Status.FILE_NOT_FOUND, "nothing.apus"):
        apus.Model(tmp_path / "nothing.apus")
    with fails(Status.FILE_UNREADABLE, "directory"):
        apus.Model(tmp_path)
    with fails(Status.INVALID_ARGUMENT, "NUL"):
        apus.Model("a\0b")
    with fails(Status.NOT_A_MODEL):
        apus.Model.from_bytes(b"")
    with fails(Status.NOT_A_MODEL):
        apus.Model.from_bytes(b"ONNX is something else")
    with fails(Status.CORRUPT_FILE, "bytes"):
        apus.Model.from_bytes(two_inputs().to_bytes()[:-64])
    with fails(Status.UNKNOWN_NAME, "avx1024", "baseline"):
        apus.Model.from_bytes(two_inputs().to_bytes(), isa="avx1024")


def test_use_after_close():
    model = relu_model()
    session = model.session()
    model.close()
    model.close()
    assert session.run(np.ones((2, 3)))["y0"].sum() == 6  # sessions go on working
    session.close()
    session.close()
    for use in (lambda: session.run(np.ones((2, 3))), session.reset, lambda: session.arena_bytes):
        with fails(Status.INVALID_HANDLE, "session is closed"):
            use()
    for use in (lambda: model.inputs, lambda: model.session(), lambda: model.isa):
        with fails(Status.INVALID_HANDLE, "model is closed"):
            use()
    assert "closed" in repr(model) + repr(session)


def test_context_managers():
    with relu_model() as model, model.session() as session:
        session.run(np.ones((2, 3)))
    with fails(Status.INVALID_HANDLE):
        session.run(np.ones((2, 3)))


def test_failed_run_leaves_the_session_usable():
    session = relu_model().session()
    with fails(Status.INVALID_SHAPE):
        session.run(np.ones(3))
    assert session.run(np.ones((2, 3)))["y0"].sum() == 6


# ---- Threads


def test_interpreter_lock_is_released():
    """ctypes lets other threads go on during calls through CDLL, and not during those through
    its subclass PyDLL. Which of the two it is says more than a timing could."""
    library = apus._library.lib
    assert type(library) is ctypes.CDLL


def test_sessions_side_by_side(model):
    """Many threads, each with a session of its own, and some that share one."""
    shared = model.session()
    wrong = []

    def work(k):
        own = model.session()
        a, b = np.full((2, 3), k, np.float32), np.full((1, 3), -k, np.float32)
        for session in (own, shared) * 50:
            result = session.run({"a": a, "b": b})
            if (result["ra"] != k).any() or (result["rb"] != 0).any():
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


# ---- Finding the library


def python(code, **environment):
    env = {k: v for k, v in os.environ.items() if k != "APUS_LIBRARY"}
    env.update(environment)
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)


def test_missing_library_is_explained(tmp_path):
    package = tmp_path / "a" / "b" / "site"
    package.mkdir(parents=True)
    source = locate.REPOSITORY / "bindings" / "python" / "apus"
    os.symlink(source, package / "apus")
    copy = package / "apus_copy"
    copy.mkdir()
    for file in source.glob("*.py"):
        (copy / file.name).write_text(file.read_text())
    done = python("import apus_copy", PYTHONPATH=str(package), APUS_LIBRARY="/nowhere/libapus.so")
    assert done.returncode == 1
    assert "ImportError: libapus.so was not found" in done.stderr
    assert "/nowhere/libapus.so: no such file" in done.stderr


def test_library_beside_the_package_comes_first(tmp_path):
    copy = tmp_path / "apus"
    copy.mkdir()
    for file in (locate.REPOSITORY / "bindings" / "python" / "apus").glob("*.py"):
        (copy / file.name).write_text(file.read_text())
    os.symlink(locate.library(), copy / "libapus.so")
    done = python(
        "import apus; print(apus._library.lib._name)",
        PYTHONPATH=str(tmp_path),
        APUS_LIBRARY="/nowhere/libapus.so",
    )
    assert done.stdout.strip() == str(copy / "libapus.so"), done.stderr


def test_pip_install_brings_the_library(tmp_path):
    """Builds the wheel with what is installed here; the packages in it must be complete."""
    source = tmp_path / "source"
    subprocess.run(
        ["cp", "-r", str(locate.REPOSITORY / "bindings" / "python"), str(source)], check=True
    )
    env = dict(os.environ, APUS_LIBRARY=str(locate.library()))
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation",
         "--disable-pip-version-check", "--target", str(tmp_path / "site"), str(source)],
        env=env, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    done = python(
        "import apus; print(apus.version(), apus._library.lib._name)",
        PYTHONPATH=str(tmp_path / "site"),
    )
    assert done.stdout.split() == ["0.1.0", str(tmp_path / "site" / "apus" / "libapus.so")]

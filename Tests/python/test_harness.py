"""The harness itself: what it says must be able to fail."""

import numpy as np
import pytest
from harness import (
    ISAS, Writer, add_node, apus, assert_close, assert_same_bits, open_model, operators,
    run_node, run_node_everywhere,
)  # fmt: skip

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("isa", ISAS)
def test_relu(isa):
    for shape in [(), (1,), (7,), (3, 5), (2, 3, 4, 5), (1, 1000)]:
        x = RNG.standard_normal(shape).astype(np.float32)
        (y,) = run_node("Relu", [x], isa=isa)
        assert_same_bits(y, np.maximum(x, 0))


def test_relu_everywhere():
    x = RNG.standard_normal((3, 70001)).astype(np.float32)
    for isa, (y,) in run_node_everywhere("Relu", [x], threads=[1, 2, 3]).items():
        assert_same_bits(y, np.maximum(x, 0), isa)


def test_constant_input():
    x = np.array([-1, 2], np.float32)
    (y,) = run_node("Relu", [x], constants=[0])
    assert y.tolist() == [0, 2]


def test_free_dimension():
    x = RNG.standard_normal((4, 3)).astype(np.float32)
    (y,) = run_node("Relu", [x], shapes={0: ("batch", 3)})
    assert_same_bits(y, np.maximum(x, 0))


def test_unknown_attribute():
    with pytest.raises(KeyError, match="Relu has no attribute alpha"):
        run_node("Relu", [np.zeros(1, np.float32)], {"alpha": 1})


def test_operator_table():
    table = operators()
    assert table["Relu"].opcode == 1
    assert len({row.opcode for row in table.values()}) == len(table)


def test_comparison_can_fail():
    one = np.ones(3, np.float32)
    for wrong in (np.ones(2), one * 1.001, np.array([1, np.nan, 1]), np.array([1, 1, np.inf])):
        with pytest.raises(AssertionError):
            assert_close(one, wrong)
    with pytest.raises(AssertionError):
        assert_close(np.array([1, np.nan, 1]), one)
    with pytest.raises(AssertionError):
        assert_same_bits(np.float32([0.0]), np.float32([-0.0]))


def test_state_and_two_functions():
    """A state that takes the function's result, shared by both functions and put back by reset."""
    writer = Writer()
    h = writer.state("h", initial=np.array([-1, 2, -3], np.float32))
    step = writer.function("step")
    (rectified,) = add_node(step, "Relu", [h])
    x = step.input("x", "float32", (3,))
    (y,) = add_node(step, "Relu", [x])
    step.output(rectified, "before", shape=(3,))
    step.update(h, y)
    peek = writer.function("peek")
    peek.output(h)
    model = open_model(writer)
    assert model.functions == ["step", "peek"]
    session = model.session(function="step")
    results = [session.run(np.float32([i, -i, 1]))["before"].tolist() for i in range(3)]
    assert results == [[0, 2, 0], [0, 0, 1], [1, 0, 1]]
    session.reset()
    assert session.run(np.zeros(3))["before"].tolist() == [0, 2, 0]
    assert model.session(function="peek").run()["h"].tolist() == [-1, 2, -3]


def test_library_errors_come_through():
    with pytest.raises(apus.ApusError) as caught:
        run_node("Relu", [np.zeros(3, bool)])
    assert caught.value.status == apus.Status.INVALID_TYPE

"""What goes in: types, layouts, things with __array__, numbers that do not fit; what is refused, and how."""

from __future__ import annotations

import copy
import ctypes
import pickle

import numpy as np
import pytest

import eplb
from eplb import Status

SIZES = (288, 1, 1, 32)


class Tensor:
    """As a torch tensor on the CPU: no buffer, no sequence, an __array__."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)


class OnDevice:
    """As a torch tensor on a GPU."""

    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu()")


def same(one, other):
    return all((a == b).all() and a.shape == b.shape for a, b in zip(one, other))


def text(status):
    library = ctypes.CDLL(eplb._library._name)
    library.eplb_status_string.restype = ctypes.c_char_p
    return library.eplb_status_string(int(status)).decode()


@pytest.fixture
def counts(load):
    """Whole numbers that every type below holds exactly."""
    return np.minimum(load, 2000).astype(np.int64)


@pytest.mark.parametrize("policy", ["balanced", "deepseek"])
def test_types(counts, policy):
    expected = eplb.rebalance_experts(counts, *SIZES, policy=policy)
    for kind in "float16", "float32", "float64", "longdouble", "int16", "int32", "uint64", ">f4", ">i8":
        assert same(expected, eplb.rebalance_experts(counts.astype(kind), *SIZES, policy=policy)), kind
    assert same(expected, eplb.rebalance_experts(counts.tolist(), *SIZES, policy=policy))
    assert same(expected, eplb.rebalance_experts(Tensor(counts), *SIZES, policy=policy))


def test_layouts(counts):
    expected = eplb.rebalance_experts(counts, *SIZES)
    for kind in np.int64, np.float32:
        values = counts.astype(kind)
        spread = np.zeros((116, 512), kind)
        spread[::2, ::2] = values
        shifted = np.frombuffer(b"\0" + values.tobytes(), np.uint8)[1:].view(kind).reshape(values.shape)
        assert not shifted.flags.aligned
        frozen = values.copy()
        frozen.flags.writeable = False
        for layout in np.asfortranarray(values), spread[::2, ::2], values[::-1][::-1], shifted, frozen:
            assert same(expected, eplb.rebalance_experts(layout, *SIZES))


def test_loads_are_rounded_to_float32():
    """Integers above 2^24 lose their last bits, as in weight.float(); ties to even."""
    load = np.array([[2**24 + 1, 2**24, 1, 1]])
    for policy in "deepseek", "balanced":
        rounded = load.astype(np.float32)
        assert rounded[0, 0] == rounded[0, 1]
        sizes = (6, 1, 1, 2)
        assert same(
            eplb.rebalance_experts(load, *sizes, policy=policy), eplb.rebalance_experts(rounded, *sizes, policy=policy)
        )


def test_what_float32_cannot_hold_is_named():
    call = {"num_replicas": 4, "num_groups": 1, "num_nodes": 1, "num_gpus": 2}
    huge = np.array([[[1.0, np.inf], [1, 2]], [[1, 1e300], [1, -1e39]]])
    for status, about, change in (
        (Status.LOAD_INFINITE, r"weight\[1, 0, 1\] is 1e\+300", {"weight": huge}),
        (Status.LOAD_INFINITE, r"weight\[0, 1\] is 1e\+39", {"weight": [[1, 1e39]]}),
        (Status.WINDOW_WEIGHT, r"window_weight\[0, 0\] is 1e\+39", {"weight": [[1, 2]], "window_weight": [[1e39]]}),
    ):
        with pytest.raises(eplb.Error, match=f"{about}, which does not fit float32") as error:
            eplb.rebalance_experts(**{**call, **change})
        assert error.value.status is status
    with pytest.raises(eplb.Error, match=r"gpu_speed\[1\] is -1e\+39, which does not fit float32"):
        eplb.plan([[1, 2]], **call, gpu_speed=[1, -1e39])
    # what is infinite to begin with is the library's to refuse
    with pytest.raises(eplb.Error, match=r"weight\[window 0\]\[layer 0\]\[expert 1\] is infinity: "):
        eplb.rebalance_experts(np.array([[1.0, np.inf]]), **call)


def test_arguments_are_left_alone(load):
    before = load.copy()
    previous = eplb.rebalance_experts(load, *SIZES)[0]
    kept = previous.copy()
    eplb.rebalance_experts(load[:, ::-1], *SIZES, previous=previous, max_moves=8)
    assert (load == before).all() and (previous == kept).all()


def test_positions_and_keywords_are_deepseeks(load):
    by_name = eplb.rebalance_experts(weight=load, num_replicas=288, num_groups=8, num_nodes=4, num_gpus=32)
    assert same(by_name, eplb.rebalance_experts(load, np.int64(288), np.int32(8), 4, 32))


def test_no_groups_is_one_group(load):
    assert same(eplb.rebalance_experts(load, 288, None, 4, 32), eplb.rebalance_experts(load, 288, 1, 4, 32))


def test_policies_and_scopes_by_name(load):
    for policy in eplb.Policy:
        by_number = eplb.rebalance_experts(load, *SIZES, policy=int(policy))
        assert same(by_number, eplb.rebalance_experts(load, *SIZES, policy=policy.name))
    assert same(eplb.rebalance_experts(load, 288, 8, 4, 32, scope="global"), eplb.rebalance_experts(load, *SIZES))


BAD = [
    (Status.SHAPE_ZERO, {"num_gpus": 0}, "num_gpus is 0: "),
    (Status.SHAPE_ZERO, {"weight": np.zeros((0, 16))}, "num_layers is 0: "),
    (Status.SHAPE_ZERO, {"weight": np.zeros((2, 0))}, "num_logical_experts is 0: "),
    (Status.TOO_MANY_NODES, {"num_nodes": 5}, "num_nodes is 5, num_gpus is 4: "),
    (Status.TOO_FEW_SLOTS, {"num_replicas": 12}, "GPUs that are alive have room for 12 experts"),
    (Status.SLOTS_NOT_DIVISIBLE, {"num_replicas": 22}, "num_replicas is 22, no multiple of num_gpus, 4: "),
    (
        Status.GROUPS_NOT_DIVISIBLE,
        {"num_groups": 1, "num_nodes": 2, "scope": "hierarchical", "policy": "deepseek"},
        "num_groups is 1, no multiple of num_nodes, 2",
    ),
    (Status.EXPERTS_NOT_DIVISIBLE, {"num_groups": 3}, "num_logical_experts is 16, no multiple of num_groups, 3"),
    (
        Status.GPUS_NOT_DIVISIBLE,
        {"weight": np.ones((2, 15)), "num_groups": 3, "num_nodes": 3, "policy": "deepseek"},
        "num_gpus is 4, no multiple of num_nodes, 3",
    ),
    (Status.LOAD_NAN, {"weight": np.full((2, 16), np.nan)}, "weight[window 0][layer 0][expert 0] is NaN: "),
    (Status.LOAD_INFINITE, {"weight": np.full((2, 16), np.inf)}, "weight[window 0][layer 0][expert 0] is infinity: "),
    (Status.LOAD_NEGATIVE, {"weight": np.full((2, 16), -1)}, "weight[window 0][layer 0][expert 0] is -1: "),
    (Status.LOAD_TOO_LARGE, {"weight": np.full((2, 16), 3e38), "policy": "deepseek"}, "[expert 0] is 3e38"),
    (Status.UNKNOWN_POLICY, {"policy": 99}, "policy is 99: "),
    (Status.UNKNOWN_SCOPE, {"scope": 99}, "scope is 99: "),
    (Status.MOVES_WITHOUT_PREVIOUS, {"max_moves": 4}, "max_moves is 4, but previous is NULL: "),
    (Status.UNSUPPORTED_WINDOWS, {"weight": np.ones((3, 2, 16)), "policy": "deepseek"}, "num_windows is 3, "),
    (
        Status.UNSUPPORTED_PREVIOUS,
        {"previous": np.zeros((2, 20), int), "max_moves": 4, "policy": "deepseek"},
        "max_moves is 4, which EPLB_POLICY_DEEPSEEK cannot keep",
    ),
    (Status.SOURCE_LOST, {"previous": np.zeros((2, 20), int)}, "previous has expert 1 of layer 0 on no GPU"),
    (Status.PLACEMENT_EXPERT, {"previous": np.full((2, 20), 16)}, "previous[layer 0][slot 0] is 16: "),
    (Status.WINDOW_WEIGHT, {"window_weight": np.zeros((2, 1))}, "window_weight is 0 for all windows of layer 0: "),
]


@pytest.mark.parametrize("status, change, words", BAD, ids=lambda value: getattr(value, "name", None))
def test_refusals_name_the_argument(status, change, words):
    arguments = {"weight": np.ones((2, 16)), "num_replicas": 20, "num_groups": 1, "num_nodes": 1, "num_gpus": 4}
    eplb.rebalance_experts(**arguments)
    with pytest.raises(ValueError) as error:
        eplb.rebalance_experts(**{**arguments, **change})
    assert isinstance(error.value, eplb.Error)
    assert words in str(error.value)
    assert str(error.value).endswith(f"(status {status.value})")
    assert error.value.status is status


def test_refusals_of_the_others_name_the_argument(load):
    held = eplb.rebalance_experts(load, *SIZES)[0]
    bad = held.copy()
    bad[3, 17] = 256
    place = r"physical_to_logical_map\[layer 3\]\[slot 17\] is 256: "
    for call in (
        lambda: eplb.evaluate(load, bad, 1, 1, 32),
        lambda: eplb.number(bad, 256, 32),
    ):
        with pytest.raises(eplb.Error, match=place) as error:
            call()
        assert error.value.status is Status.PLACEMENT_EXPERT
    state = [eplb.GpuState.LEAVING] + [eplb.GpuState.ALIVE] * 31
    with pytest.raises(eplb.Error, match=r"max_moves is 1, repair of layer \d+ needs [2-9]: ") as error:
        eplb.plan(load, *SIZES, previous=held, max_moves=1, gpu_state=state)
    assert error.value.status is Status.INFEASIBLE
    two = np.array([[0, 1, 2, 3]])
    with pytest.raises(eplb.Error, match="layer 0") as error:
        eplb.transfers(two, two[:, ::-1], 1, 4)  # full GPUs cannot exchange experts without a buffer
    assert error.value.status is Status.NEEDS_BUFFER


SEEN_HERE = [
    (Status.ARRAY_LENGTH, {"weight": np.ones(16)}, "weight has shape (16,), not [L, E] or [W, L, E]"),
    (Status.ARRAY_LENGTH, {"previous": np.zeros((2, 19), int)}, "previous has shape (2, 19), not [L = 2, P = 20]"),
    (Status.ARRAY_LENGTH, {"previous": np.zeros(20, int)}, "previous has shape (20,), not [L = 2, P = 20]"),
    (Status.ARRAY_LENGTH, {"window_weight": np.ones((1, 2))}, "window_weight has shape (1, 2), not [L = 2, W = 1]"),
    (Status.PLACEMENT_EXPERT, {"previous": np.full((2, 20), 2**32)}, "previous[0, 0] is 4294967296"),
    (Status.UNKNOWN_POLICY, {"policy": "deep_seek"}, "'deep_seek' is not one of balanced, deepseek, multi_swap"),
    (Status.UNKNOWN_SCOPE, {"scope": "node"}, "'node' is not one of auto, hierarchical, global"),
    (Status.SHAPE_TOO_LARGE, {"num_replicas": 2**31}, "num_replicas is 2147483648"),
]


@pytest.mark.parametrize(
    "status, change, about", SEEN_HERE, ids=lambda value: value if isinstance(value, str) else None
)
def test_what_numpy_can_see_is_named(status, change, about):
    arguments = {"weight": np.ones((2, 16)), "num_replicas": 20, "num_groups": 1, "num_nodes": 1, "num_gpus": 4}
    with pytest.raises(eplb.Error) as error:
        eplb.rebalance_experts(**{**arguments, **change})
    assert str(error.value).startswith(about)
    assert str(error.value).endswith(": " + text(status))
    assert error.value.status is status


def test_what_is_no_number_is_refused():
    call = {"num_replicas": 4, "num_groups": 1, "num_nodes": 1, "num_gpus": 2}
    for weight in np.ones((1, 4), complex), np.array([["a", "b"]]), np.array([[None, None]]), OnDevice():
        with pytest.raises(ValueError, match="weight"):
            eplb.rebalance_experts(weight, **call)
    with pytest.raises(ValueError, match="previous holds float64, not integers"):
        eplb.rebalance_experts(np.ones((1, 4)), **call, previous=np.zeros((1, 4)))
    with pytest.raises(ValueError, match="num_gpus is -2: it cannot be negative"):
        eplb.rebalance_experts(np.ones((1, 4)), 4, 1, 1, -2)
    with pytest.raises(TypeError):
        eplb.rebalance_experts(np.ones((1, 4)), 4, 1, 1, 2.0)


def test_every_status_has_a_text():
    texts = {text(status) for status in Status}
    assert len(texts) == len(Status)


def test_an_error_can_be_handed_on():
    with pytest.raises(eplb.Error) as refused:
        eplb.rebalance_experts(np.ones(16), 20, 1, 1, 4)
    for again in pickle.loads(pickle.dumps(refused.value)), copy.copy(refused.value):
        assert type(again) is eplb.Error
        assert str(again) == str(refused.value) and again.status is refused.value.status


def test_masks_are_not_dropped_in_silence():
    with pytest.raises(ValueError, match="weight is a masked array"):
        eplb.rebalance_experts(np.ma.masked_equal(np.ones((1, 4)), 1), 4, 1, 1, 2)


def test_every_uint32_is_an_option_and_tiny_loads_are_loads():
    with np.errstate(all="raise"):
        tiny = np.full((1, 4), 1e-300)
        plan = eplb.rebalance_experts(tiny, 4, 1, 1, 2, effort=2**32 - 1)
    assert sorted(plan[0][0]) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="effort is 4294967296: it cannot be above"):
        eplb.rebalance_experts(tiny, 4, 1, 1, 2, effort=2**32)

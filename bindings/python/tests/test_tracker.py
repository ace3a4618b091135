"""A tracker: steps into windows, by expert and by slot; what it refuses; bytes and back; the open window forgotten."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import eplb
from eplb import Status

L, E, P = 3, 8, 12


@pytest.fixture
def random():
    return np.random.default_rng(8)


def steps(random, count):
    return random.integers(0, 1000, (count, L, E))


def test_windows_are_sums_of_steps_oldest_first(random):
    tracker, seen = eplb.Tracker(3, L, E), steps(random, 10)
    with pytest.raises(eplb.Error) as error:
        tracker.windows()
    assert error.value.status is Status.TRACKER_EMPTY
    for window in range(5):
        for step in seen[2 * window : 2 * window + 2]:
            tracker.observe(step)
        assert tracker.open_steps == 2
        tracker.close()
        told = tracker.windows()
        kept = np.array([seen[2 * w : 2 * w + 2].sum(axis=0) for w in range(window + 1)])[-3:]
        assert told.closed == tracker.num_closed == window + 1 and tracker.num_kept == len(kept)
        assert told.load.dtype == np.float32 and (told.load == kept).all()
    told.load[:] = 0  # a copy
    assert tracker.windows().load.any()


def test_slots_are_counted_for_their_experts(random):
    map = np.array([[0, 1, 2, 3, 4, 5, 6, 7, 0, 1, -1, 2]] * L)
    counts = random.integers(0, 9, (L, P))
    counts[:, 10] = 0
    expected = np.zeros((L, E))
    for layer in range(L):
        for slot, expert in enumerate(map[layer]):
            expected[layer, expert] += counts[layer, slot]
    tracker = eplb.Tracker(1, L, E)
    tracker.observe(counts.astype(np.float32), map)
    tracker.close()
    assert (tracker.windows().load[0] == expected).all()


def test_windows_close_by_steps_and_layers_come_alone(random):
    tracker, seen = eplb.Tracker(2, L, E, steps_per_window=2), steps(random, 2)
    for step in seen:
        for layer in range(L):
            tracker.observe_layer(layer, step[layer])
    assert (tracker.windows().load == seen.sum(axis=0)).all() and tracker.open_steps == 0
    with pytest.raises(eplb.Error) as error:
        tracker.observe_layer(L, seen[0][0])
    assert error.value.status is Status.TRACKER_LAYER
    with pytest.raises(eplb.Error) as error:
        tracker.observe_layer(0, seen[0][0][1:])
    assert error.value.status is Status.TRACKER_COUNTS


REFUSED = [
    (Status.LOAD_NEGATIVE, np.full((L, E), -3, np.int32), None, r"counts\[0, 0\] is -3: .* wrapped"),
    (Status.LOAD_NEGATIVE, np.full((L, E), np.nan), None, r"counts\[0, 0\] is nan"),
    (Status.LOAD_NAN, np.full((L, E), 0.5), None, "whole numbers"),
    (Status.LOAD_TOO_LARGE, np.full((L, E), 2**40), None, r"below 2\^32"),
    (Status.ARRAY_LENGTH, np.zeros((L, E + 1), int), None, r"counts has shape \(3, 9\), not \[L = 3, E = 8\]"),
    (Status.ARRAY_LENGTH, np.zeros((L, P), int), np.zeros((L, P + 1), int), "physical_to_logical_map has shape"),
    (Status.TRACKER_SLOT, np.ones((L, P), int), np.full((L, P), -1), r"counts\[0, 0\] is 1"),
    (Status.PLACEMENT_EXPERT, np.ones((L, P), int), np.full((L, P), E), r"physical_to_logical_map\[0, 0\] is 8"),
]


@pytest.mark.parametrize("status, counts, map, words", REFUSED, ids=lambda value: getattr(value, "name", None))
def test_a_step_is_counted_whole_or_not_at_all(status, counts, map, words):
    tracker = eplb.Tracker(2, L, E)
    before = bytes(tracker)
    if counts.ndim == 2 and map is not None and status is not Status.ARRAY_LENGTH:
        counts[:-1], map[:-1] = 0, np.arange(P) % E  # the last layer alone is wrong
        words = words.replace(r"\[0, 0\]", r"\[2, 0\]")
    with pytest.raises(eplb.Error, match=words) as error:
        tracker.observe(counts, map)
    assert error.value.status is status and bytes(tracker) == before


def test_bytes_and_back(random):
    tracker, seen = eplb.Tracker(2, L, E), steps(random, 3)
    tracker.observe(seen[0])
    tracker.close()
    tracker.observe(seen[1])
    for again in eplb.Tracker.from_bytes(bytes(tracker)), pickle.loads(pickle.dumps(tracker)):
        again.close()
        assert (again.windows().load == seen[:2]).all()
    saved = bytearray(bytes(tracker))
    for place in random.integers(0, len(saved), 200):
        damaged = saved.copy()
        damaged[place] ^= 1 << random.integers(8)
        with pytest.raises(eplb.Error) as error:
            eplb.Tracker.from_bytes(bytes(damaged))
        assert error.value.status in (Status.TRACKER_FOREIGN, Status.TRACKER_TORN, Status.TRACKER_TOO_SMALL)
    for length in 0, 10, 79, 80, len(saved) - 1:
        with pytest.raises(eplb.Error):
            eplb.Tracker.from_bytes(bytes(saved[:length]))


def test_the_open_window_can_be_forgotten(random):
    tracker, seen = eplb.Tracker(2, L, E, steps_per_window=3), steps(random, 7)
    tracker.discard()  # nothing is open
    for step in seen[:2]:
        tracker.observe(step)
    tracker.discard()
    assert tracker.open_steps == 0
    for step in seen[2:]:
        tracker.observe(step)
    assert (tracker.windows().load == seen[2:5].sum(axis=0)).all() and tracker.open_steps == 2
    tracker.discard()
    with pytest.raises(eplb.Error) as error:
        tracker.close()
    assert error.value.status is Status.TRACKER_EMPTY
    fresh = eplb.Tracker(2, L, E, steps_per_window=3)
    for step in seen[2:5]:
        fresh.observe(step)
    assert bytes(eplb.Tracker.from_bytes(bytes(tracker))) == bytes(fresh)  # to the last bit as if it had not been


def test_sizes_are_checked():
    with pytest.raises(eplb.Error) as error:
        eplb.Tracker(0, L, E)
    assert error.value.status is Status.SHAPE_ZERO
    with pytest.raises(ValueError, match="num_layers is -1"):
        eplb.Tracker(1, -1, E)

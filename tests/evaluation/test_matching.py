"""Which slots hold which objects, against loops and cases by hand."""

import itertools

import numpy as np

from iodine.evaluation import matching


def one_hot(labels, count):
    """[..., H, W] to [..., count, H, W]."""
    return np.moveaxis(np.eye(count, dtype=np.float32)[labels], -1, -3)


def random_scenes(num_images=5):
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, size=(num_images, 8, 8))
    noise = rng.integers(0, 3, size=true.shape)
    return true, np.where(rng.uniform(size=true.shape) < 0.75, true % 3, noise)


def test_found_objects_by_loops():
    true, labels = random_scenes()
    true = np.where(true == 3, 2, true)  # entity 3 has no pixel
    present, found = matching.found_objects(one_hot(true, 4), labels, 3)
    for b in range(len(true)):
        for entity in (1, 2, 3):
            here = true[b] == entity
            overlaps = [
                (here & (labels[b] == k)).sum() / max((here | (labels[b] == k)).sum(), 1)
                for k in range(3)
            ]
            assert present[b, entity - 1] == here.any()
            assert found[b, entity - 1] == (max(overlaps) > 0.5)
    assert found.any()
    assert not found.all()


def test_a_slot_of_two_equal_objects_finds_neither():
    true = np.array([[[1, 1, 2, 2], [0, 0, 0, 0]]])
    labels = np.where(true > 0, 1, 0)
    present, found = matching.found_objects(one_hot(true, 3), labels, 2)
    assert present.all()
    assert not found.any()


def test_the_background_may_be_left_out():
    """Both objects have a slot, but each slot has half of the background too."""
    true = np.zeros((1, 4, 8), int)
    true[0, 0, 0], true[0, 0, 7] = 1, 2
    labels = np.broadcast_to(np.arange(8) // 4, (1, 4, 8))
    _, found = matching.found_objects(one_hot(true, 3), labels, 2)
    _, in_foreground = matching.found_objects(one_hot(true, 3), labels, 2, foreground_only=True)
    assert not found.any()
    assert in_foreground.all()
    together = np.zeros_like(labels)
    assert not matching.found_objects(one_hot(true, 3), together, 2, True)[1].any()


def test_holding_slots_share_the_most_of_all_ways_to_match():
    true, labels = random_scenes()
    for b in range(len(true)):
        held = matching.holding_slots(one_hot(true[b], 4), one_hot(labels[b], 5))

        def worth(entity, slot, b=b):
            here = true[b] == entity
            both = np.sum(here & (labels[b] == slot))
            return both / np.sum(here) + both / here.size

        best = max(
            sum(worth(e, k) for e, k in enumerate(slots))
            for slots in itertools.permutations(range(5), 4)
        )
        assert np.isclose(sum(worth(e, k) for e, k in held.items()), best)
        assert len(set(held.values())) == len(held)


def test_objects_go_before_a_divided_background_and_a_slot_of_its_own_goes_to_it():
    true = np.zeros((6, 6), int)
    true[0, :2], true[5, 3:] = 1, 2
    divided = np.arange(36).reshape(6, 6) // 12  # among three slots
    held = matching.holding_slots(one_hot(true, 3), one_hot(divided, 3))
    assert held == {0: 1, 1: 0, 2: 2}
    held = matching.holding_slots(one_hot(true, 3), one_hot(np.minimum(divided, 1) * 2, 3))
    assert held == {0: 2, 1: 0}  # both others want slot 2, and the background shares more of it
    overlooked = np.where(true == 2, 1, 0)  # object 1 is part of the background's slot
    held = matching.holding_slots(one_hot(true, 3), one_hot(overlooked, 3))
    assert held == {0: 0, 2: 1}


def test_an_entity_that_shares_no_pixel_with_a_slot_of_its_own_has_none():
    true = np.array([[0, 0, 1, 1], [0, 0, 2, 2]])
    slots = np.array([[1, 1, 2, 2], [1, 1, 2, 2]])
    held = matching.holding_slots(one_hot(true, 4), one_hot(slots, 3))
    assert held[0] == 1
    assert sorted(held) in ([0, 1], [0, 2])  # one of the two objects has slot 2
    assert 0 not in held.values()

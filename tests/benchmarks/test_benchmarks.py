"""What is counted and fitted by the benchmark; no time is asserted."""

import collections
import shutil
import sys

import matplotlib.image
import numpy as np
import pytest
import tensorflow as tf
from small_models import SIDE, SLOTS, small_config, whole_config

from iodine.benchmarks import arithmetic, clock, figure, limit, process, report, subject, sweep
from iodine.config import override
from iodine.errors import UserError
from iodine.models import registry
from iodine.training.devices import strategy
from iodine.training.trainer import Trainer

B, T = 2, 2


def small(changes=None):
    return whole_config(small_config(changes), B)


def count(changes=None):
    trainer = Trainer(small(changes), strategy.choose_strategy("none"))
    operations = arithmetic.step_operations(trainer)
    return arithmetic.convolutions(operations), arithmetic.matrix_products(operations)


def layer(images, side, channels, outputs, stride=1):
    return (
        (images, side, side, channels),
        (3, 3, channels, outputs),
        (images, side // stride, side // stride, outputs),
        stride,
        "SAME",
        "float32",
    )


def expected_counts():
    """By hand from the layers: how often forward, input gradient, filter gradient.

    T + 1 decodings of which T are refined; each decoding but the last has an inner gradient too,
    which takes input gradients alone. The outer one takes both.
    """
    n, half = B * SLOTS, SIDE // 2
    times = {
        layer(1, SIDE, 2, 6): (T + 1, 0, T + 1),  # coordinates of the decoder
        layer(n, SIDE, 6, 5): (T + 1, T + T + 1, T + 1),
        layer(n, SIDE, 5, 4): (T + 1, T + T + 1, T + 1),
        layer(n, SIDE, 11, 6, 2): (T, T, T),  # the inputs that differ among slots
        layer(B, SIDE, 4, 6, 2): (T, T, T),  # image and likelihood, whose norm learns
        layer(1, SIDE, 2, 6, 2): (T, 0, T),  # coordinates
        layer(n, half, 6, 5, 2): (T, T, T),
    }
    counts = collections.Counter()
    for shapes, numbers in times.items():
        for kind, number in zip(
            ("forward", "input_gradient", "filter_gradient"), numbers, strict=True
        ):
            counts[arithmetic.Convolution(kind, *shapes)] += number
    return +counts


def test_convolutions_of_a_step_are_those_of_the_layers():
    assert count()[0] == expected_counts()


def test_recomputation_adds_the_forward_passes_and_inner_gradients_of_what_is_refined():
    again, kept = count({"recompute": True})[0], expected_counts()
    by_kind = collections.Counter()
    for convolution, number in (again - kept).items():
        by_kind[convolution.kind] += number
    layers_of_decoder, layers_of_refinement = 3, 4
    assert by_kind == {
        "forward": T * (layers_of_decoder + layers_of_refinement),
        "input_gradient": T * (layers_of_decoder - 1),
    }


def test_what_is_not_backpropagated_costs_no_outer_gradient():
    """One of two refinements: what leads up to the unrefined decoding is inference alone."""
    counts = collections.Counter()
    for convolution, number in count({"objective.backpropagated_refinements": 1})[0].items():
        counts[convolution.kind] += number
    layers_of_decoder, layers_of_refinement = 3, 4
    assert counts == {
        "forward": 3 * layers_of_decoder + 2 * layers_of_refinement,
        "filter_gradient": 2 * layers_of_decoder + layers_of_refinement,
        # Of what does not come first or from coordinates: the inner ones of two decodings, the
        # outer ones of two; and the refinement network's, but for its coordinates.
        "input_gradient": 2 * 2 + 2 * 2 + (layers_of_refinement - 1),
    }


def test_operations_of_a_convolution_and_of_matrix_products():
    convolution = arithmetic.Convolution("forward", *layer(6, 8, 11, 6, 2))
    assert convolution.operations == 2 * 6 * 4 * 4 * 3 * 3 * 11 * 6

    @tf.function(autograph=False)
    def products(a, b):
        return tf.matmul(a, b), tf.matmul(b, b, transpose_a=True), tf.matmul(a[None], b[None])

    graph = products.get_concrete_function(tf.zeros([3, 5]), tf.zeros([5, 7])).graph
    found = arithmetic.matrix_products(graph.get_operations())
    plain, turned = (False, False), (True, False)
    assert found == {
        ((3, 5), (5, 7), (3, 7), plain, "float32"): 1,
        ((5, 7), (5, 7), (7, 7), turned, "float32"): 1,
        ((1, 3, 5), (1, 5, 7), (1, 3, 7), plain, "float32"): 1,
    }
    assert arithmetic.total(found) == 2 * (3 * 5 * 7 + 7 * 5 * 7 + 3 * 5 * 7)


@pytest.mark.parametrize(("padding", "side"), [("SAME", 8), ("VALID", 6)])
def test_padding_is_read_from_the_operation(padding, side):
    convolve = tf.function(
        lambda x, w: tf.raw_ops.Conv2D(input=x, filter=w, strides=[1] * 4, padding=padding),
        autograph=False,
    )
    graph = convolve.get_concrete_function(tf.zeros([2, 8, 8, 3]), tf.zeros([3, 3, 3, 5])).graph
    [(found, number)] = arithmetic.convolutions(graph.get_operations()).items()
    assert (found.padding, found.output_shape, number) == (padding, (2, side, side, 5), 1)


def test_timer_runs_every_convolution_and_product_of_a_step():
    convolutions, products = count()
    assert products
    times = limit.OperationTimer([convolutions, products]).times()
    assert times.keys() == {*convolutions, *products}


@pytest.mark.parametrize(
    ("left", "right", "transposed"),
    [
        ((3, 5), (5, 7), (False, False)),
        ((5, 3), (7, 5), (True, True)),
        ((2, 3, 5), (2, 7, 5), (False, True)),
    ],
)
def test_timed_products_have_the_shape_of_the_product(left, right, transposed):
    shape = (*left[:-2], 3, 7)
    product = arithmetic.MatrixProduct(left, right, shape, transposed, "float32")
    assert tuple(limit.build(product)().shape) == shape
    assert product.operations == 2 * 3 * 5 * 7 * (2 if len(left) == 3 else 1)


@pytest.mark.parametrize("kind", ["forward", "input_gradient", "filter_gradient"])
@pytest.mark.parametrize(
    ("stride", "padding", "side"), [(1, "SAME", 8), (2, "SAME", 4), (1, "VALID", 6)]
)
def test_timed_functions_have_the_shapes_of_the_convolution(kind, stride, padding, side):
    convolution = arithmetic.Convolution(kind, *layer(2, 8, 3, 5, stride))._replace(
        output_shape=(2, side, side, 5), padding=padding
    )
    shape = {
        "forward": convolution.output_shape,
        "input_gradient": convolution.input_shape,
        "filter_gradient": convolution.kernel_shape,
    }[kind]
    assert tuple(limit.build(convolution)().shape) == shape


def test_variants_join():
    config = subject.variant(small(), "plain+recompute+bfloat16")
    assert config.preset == "small, plain+recompute+bfloat16"
    assert subject.is_plain(config)
    assert config.model.recompute
    assert config.model.precision == "bfloat16"
    assert not subject.is_plain(subject.variant(small(), "recompute+bfloat16"))
    assert not subject.is_plain(small())
    with pytest.raises(UserError, match="unknown variant 'fast'; known: default, plain, "):
        subject.variant(small(), "plain+fast")


@pytest.mark.parametrize("name", ["default", "plain"])
def test_plain_switches_all_shortcuts_off_and_nothing_else_does(name):
    model = subject.Subject(subject.variant(small(), name)).trainer.model
    shortcuts = [m.use_shortcut for m in model.submodules if hasattr(m, "use_shortcut")]
    assert shortcuts == [name != "plain"] * 2


def test_variants_leave_the_factor_regressor_out():
    config = whole_config(small_config(), B, factor_regression=("x:1:scalar",))
    assert subject.variant(config, "default").train.factor_regression == ()


def test_spread_is_of_quartiles():
    assert report.spread([4, 1, 2, 3, 5]) == {"median": 3, "low": 2, "high": 4}


def fake_measure(config, repetitions):
    """Time 3 K^2 seconds, memory of the step 5 K^3 MiB."""
    slots = config.model.num_slots
    steps = [clock.Seconds(3 * slots**2, 6 * slots**2)] * repetitions
    return process.ProcessMeasurement(steps, (100 + 5 * slots**3) * 2**20, 100 * 2**20)


def test_sweep_finds_the_exponents_of_power_laws(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "measure", fake_measure)
    told = []
    result = sweep.sweep(small(), ["slots"], 2, "processor", told.append)
    axis = result["axes"]["slots"]
    assert axis["time_exponent"] == pytest.approx(2)
    assert axis["memory_exponent"] == pytest.approx(3)
    assert [p["step_ms"]["median"] for p in axis["points"]] == [
        6e3 * k**2 for k in sweep.AXES["slots"].values
    ]
    assert told[0] == "slots K 3: 54000 ms, 235 MiB"
    assert sweep.table_lines(result)[2].endswith("| x^2.00 | x^3.00 |")
    figure.draw_sweep(result, tmp_path / "cost.png")
    assert matplotlib.image.imread(tmp_path / "cost.png").std() > 0.01


def test_an_unknown_axis_is_refused():
    with pytest.raises(UserError, match="unknown axis 'depth'; known: slots, iterations, side"):
        sweep.sweep(small(), ["depth"], 1, "wall", print)


def test_a_process_of_its_own_reports_memory():
    found = process.measure(small(), 1)
    assert found.peak > found.start > 2**27  # TensorFlow alone takes more than 128 MiB
    assert len(found.step_seconds) == 1


def test_a_process_that_fails_is_reported(monkeypatch):
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(UserError, match=r"small in another process failed with exit code 1 \(no"):
        process.measure(small(), 1)


def test_each_of_two_variants_is_timed_as_it_is_configured(monkeypatch):
    """Determinism holds for a whole process, and is switched before every step."""
    config = small()
    pair = [subject.variant(config, name) for name in ("default", "nondeterministic+tf32")]
    now, seen = [], []

    class Fake:
        def __init__(self, config):
            self.config = config
            seen.append((self.config.preset, *now[-1]))

        def time_step(self):
            seen.append((self.config.preset, *now[-1]))
            return clock.Seconds(1.0, 1.0)

    monkeypatch.setattr(report, "Subject", Fake)
    monkeypatch.setattr(
        report.numerics, "follow", lambda train: now.append((train.deterministic, train.tf32))
    )
    result = report.compare(*pair, repetitions=2)
    both = [(pair[0].preset, True, False), (pair[1].preset, False, True)]
    assert seen == both * 4  # built, one step untimed, two timed
    assert len(result["step_ms"]) == 2


@pytest.mark.parametrize(
    ("preset", "shape"),
    [("multi_dsprites", (2, 64, 64, 3)), ("objects_room_sequences", (2, 17, 64, 64, 3))],
)
def test_random_batches_are_those_that_a_preset_trains_on(preset, shape):
    config = override(registry.preset(preset), {"train.batch_size": 2})
    images = next(subject.synthetic_batches(config))["image"].numpy()
    assert images.shape == shape
    assert images.min() >= 0
    assert images.max() < 1
    assert np.unique(images).size > 0.9 * images.size  # none is a copy of another

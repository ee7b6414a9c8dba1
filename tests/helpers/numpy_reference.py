"""The model again, in float64 NumPy and SciPy: what the tests compare TensorFlow with.

Written from the paper's text, not from `iodine/`. Image-sized arrays are [B, K, H, W, C].
"""

import numpy as np
import scipy.signal
import scipy.special


def component_log_prob(images, means, scale, family="normal"):
    """Log p(x_i | mu_ik), all channels of a pixel one joint event, [B, K, H, W]."""
    x = np.asarray(images, np.float64)[:, np.newaxis]
    u = (x - np.asarray(means, np.float64)) / scale
    if family == "normal":
        log_prob = -0.5 * u**2 - np.log(scale) - 0.5 * np.log(2 * np.pi)
    else:  # logistic
        log_prob = -u - np.log(scale) - 2 * np.logaddexp(0, -u)
    return log_prob.sum(axis=-1)


def softmax(logits):
    """Masks [B, K, ...] from their logits."""
    e = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def neg_log_likelihood(images, means, masks, scale, family="normal"):
    """-log of Eq. 1 for masks that need not sum to 1, [B]."""
    component = component_log_prob(images, means, scale, family)
    pixels = scipy.special.logsumexp(component, b=np.asarray(masks, np.float64), axis=1)
    return -pixels.sum(axis=(1, 2))


def softplus(x):
    """log(1 + exp(x))."""
    return np.logaddexp(0, x)


def sigma(raw, scale_map):
    """The posterior's scale from its raw parameter."""
    return {"softplus": softplus(raw), "sqrt_softplus": np.sqrt(softplus(raw))}[scale_map]


def normal_kl(mean, scale, prior_scale=1.0):
    """KL(N(mean, scale) || N(0, prior_scale)), elementwise."""
    return np.log(prior_scale / scale) + (scale**2 + mean**2) / (2 * prior_scale**2) - 0.5


def elu(x):
    """x, or exp(x) - 1 below 0."""
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return scipy.special.expit(x)


def conv_same(x, w, b, stride=1):
    """Convolution of [N, H, W, C] with [k, k, C, out] and TensorFlow's SAME padding."""
    x, w = np.asarray(x, np.float64), np.asarray(w, np.float64)
    padding, sizes = [(0, 0)], []
    for length, k in zip(x.shape[1:3], w.shape[:2], strict=True):
        size = -(-length // stride)
        total = max((size - 1) * stride + k - length, 0)
        padding.append((total // 2, total - total // 2))
        sizes.append(size)
    x = np.pad(x, [*padding, (0, 0)])
    out = np.zeros((x.shape[0], *sizes, w.shape[-1]))
    for n in range(x.shape[0]):
        for o in range(w.shape[-1]):
            full = scipy.signal.correlate(x[n], w[..., o], mode="valid", method="direct")[..., 0]
            out[n, ..., o] = full[::stride, ::stride][: sizes[0], : sizes[1]]
    return out + np.asarray(b, np.float64)


def layer_norm(x, scale, offset, eps=1e-5):
    """Over all axes but the first; scale and offset along the last."""
    axes = tuple(range(1, x.ndim))
    mean = x.mean(axis=axes, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + eps) * scale + offset


def lstm(x, hidden, cell, w_i, w_h, b):
    """One step; gates in the order input, forget, candidate, output."""
    i, f, g, o = np.split(x @ w_i + hidden @ w_h + b, 4, axis=-1)
    cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(cell), cell


def central_difference(function, x, step=1e-5):
    """Gradient of a function to scalars, element by element."""
    x = np.array(x, np.float64)
    gradient = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        kept = x[index]
        x[index] = kept + step
        above = function(x)
        x[index] = kept - step
        below = function(x)
        x[index] = kept
        gradient[index] = (above - below) / (2 * step)
    return gradient

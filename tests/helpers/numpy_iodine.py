"""The paper's model with the weights of a small `Iodine`, in float64 NumPy."""

import numpy as np
import scipy.special
from numpy_reference import (
    central_difference,
    component_log_prob,
    conv_same,
    elu,
    layer_norm,
    lstm,
    neg_log_likelihood,
    normal_kl,
    softmax,
    softplus,
)
from small_models import LATENT


class NumpyIodine:
    """Algorithm 1 for one image [1, H, W, 3]; the model's weights are read at every call."""

    def __init__(self, model, side):
        self.model, self.side = model, side
        x = np.linspace(-1, 1, side)
        self.coordinates = np.stack(np.meshgrid(x, x), axis=-1)[np.newaxis]

    def decode(self, z):
        n, side = len(z), self.side
        x = np.tile(z[:, np.newaxis, np.newaxis], (1, side, side, 1))
        x = np.concatenate([x, np.repeat(self.coordinates, n, axis=0)], axis=-1)
        decoder = self.model.decoder
        for layer in [decoder.first, *decoder.hidden]:
            x = elu(conv_same(x, layer.w.numpy(), layer.b.numpy()))
        x = conv_same(x, decoder.last.w.numpy(), decoder.last.b.numpy())
        return x[np.newaxis, ..., :3], x[np.newaxis, ..., 3]  # [1, K, H, W, 3], [1, K, H, W]

    def of_slots(self, first, others, slots):
        """[K]: what the first slot has, 0 for what all have."""
        return np.array([first or others, *[others] * (slots - 1)])

    def sigma(self, slots):
        """Of Eq. 1, [K, 1, 1, 1]."""
        config = self.model.config
        of_slots = self.of_slots(config.background.likelihood_scale, config.likelihood_scale, slots)
        return of_slots[:, np.newaxis, np.newaxis, np.newaxis]

    def loss(self, parameters, image, noise):
        slots = len(parameters)
        prior = self.of_slots(self.model.config.background.latent_scale, 1.0, slots)[:, np.newaxis]
        mean, scale = prior * parameters[:, :LATENT], prior * softplus(parameters[:, LATENT:])
        means, logits = self.decode(mean + scale * noise)
        nll = neg_log_likelihood(image, means, softmax(logits), self.sigma(slots))[0]
        kl = normal_kl(mean, scale, prior).sum(axis=1)
        return nll, kl, means, logits

    def refine(self, parameters, image, noise, state):
        """Lambda of the next iteration and the LSTM's state."""
        slots = len(parameters)
        sigma = self.sigma(slots)
        _, _, means, logits = self.loss(parameters, image, noise)
        masks = softmax(logits)
        component = component_log_prob(image, means, sigma)
        log_prob = scipy.special.logsumexp(component, b=masks, axis=1, keepdims=True)
        others = [
            scipy.special.logsumexp(
                np.delete(component, k, 1), b=np.delete(masks, k, 1) / (1 - masks[:, [k]]), axis=1
            )
            for k in range(slots)
        ]
        responsibility = masks * np.exp(component - log_prob)
        norms = {
            name: lambda x, n=norm: layer_norm(x, n.scale.numpy(), n.offset.numpy())
            for name, norm in self.model.inputs.layer_norms.items()
        }
        ones = np.ones([slots, self.side, self.side, 1])
        channels = [
            image * ones,
            means[0],
            masks[0][..., np.newaxis],
            logits[0][..., np.newaxis],
            np.exp(component - scipy.special.logsumexp(component, axis=1, keepdims=True))[0][
                ..., np.newaxis
            ],
            norms["means_gradient"](
                responsibility[0][..., np.newaxis] * (means[0] - image) / sigma**2
            ),
            norms["mask_gradient"](-np.exp(component - log_prob)[0][..., np.newaxis]),
            norms["likelihood"](np.exp(log_prob)[0][..., np.newaxis]) * ones,
            norms["leave_one_out_likelihood"](np.exp(others)[:, 0, ..., np.newaxis]),
            self.coordinates * ones,
        ]
        x = np.concatenate(channels, axis=-1)
        network = self.model.refinement
        for layer in [network.first, *network.hidden]:
            x = elu(conv_same(x, layer.w.numpy(), layer.b.numpy(), stride=2))
        b, w = (v.numpy() for v in network.mlp.trainable_variables)
        x = elu(x.mean(axis=(1, 2)) @ w + b)

        def total(parameters):
            nll, kl, _, _ = self.loss(parameters, image, noise)
            return nll + kl.sum()

        gradient = norms["posterior_gradient"](central_difference(total, parameters))
        x = np.concatenate([x, parameters, gradient], axis=-1)
        core = network.lstm
        weights = (core.input_to_hidden.numpy(), core.hidden_to_hidden.numpy(), core.b.numpy())
        state = lstm(x, *state, *weights)
        update = state[0] @ network.update.w.numpy() + network.update.b.numpy()
        return parameters + update, state

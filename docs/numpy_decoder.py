"""IODINE's broadcast decoder in NumPy: components and masks of latents, without TensorFlow.

iodine-export --run=pretrained:tetrominoes_fast --format=safetensors --output=weights
python docs/numpy_decoder.py weights latents.npy scenes.npz     # latents [B, K, Z]
"""

import json
import sys

import numpy as np
from safetensors.numpy import load_file


def conv(x, weights, name):
    """Convolution, zero padding, stride 1: x [N, H, W, in] to [N, H, W, out]."""
    kernel, (height, width) = weights[f"{name}/w"], x.shape[1:3]  # [k, k, in, out]
    pad = ((len(kernel) - 1) // 2, len(kernel) // 2)
    padded = np.pad(x, ((0, 0), pad, pad, (0, 0)))
    taps = np.ndindex(kernel.shape[:2])
    moved = (padded[:, i : i + height, j : j + width] @ kernel[i, j] for i, j in taps)
    return sum(moved) + weights[f"{name}/b"]


def coordinates(config, side):
    """Where each cell is, [side, side, C]: x and y from -1 to 1, or a cosine basis."""
    if config["coordinates"] == "cosine":
        f = config["cosine_frequencies"]
        waves = np.cos(np.pi * np.outer(np.linspace(0, 1, side), np.arange(f)))
        return np.einsum("hi,wj->hwji", waves, waves).reshape(side, side, f * f)[..., 1:]
    y, x = np.meshgrid(*[np.linspace(-1, 1, side)] * 2, indexing="ij")
    return np.stack([y, x] if config["coordinates"] == "linear_yx" else [x, y], axis=-1)


def decode(latents, weights, config):
    """Latents [B, K, Z] to components [B, K, H, W, 3] and masks [B, K, H, W]; not for "deconv"."""
    (b, k, _), size, own = latents.shape, config["data"]["image_size"], config["model"]["decoder"]
    root, u = ("decoder/coarse", own["upsampling"]) if own["kind"] == "coarse" else ("decoder", 1)
    side = -(-size // u)
    z = latents.reshape(b * k, -1)
    if own["constant_input"] is not None:
        z = np.pad(z, ((0, 0), (0, 1)), constant_values=own["constant_input"])
    place = coordinates(own, side)
    x = np.zeros((b * k, side, side, z.shape[1] + place.shape[-1]))
    x[..., : z.shape[1]], x[..., z.shape[1] :] = z[:, np.newaxis, np.newaxis], place
    for name in ["first", *(f"hidden/{i}" for i in range(len(own["channels"]) - 1))]:
        x = conv(x, weights, f"{root}/{name}")
        x = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))  # ELU
    x = conv(x, weights, f"{root}/last").reshape(b * k, side, side, u, u, 4)  # a cell's pixels
    x = np.moveaxis(x, 3, 2).reshape(b, k, side * u, side * u, 4)[:, :, :size, :size]
    logits, rgb = (x[..., 0], x[..., 1:]) if own["mask_first"] else (x[..., 3], x[..., :3])
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return rgb, shares / shares.sum(axis=1, keepdims=True)


if __name__ == "__main__":
    folder, source, target = sys.argv[1:]
    with open(f"{folder}/config.json") as file:
        settings = json.load(file)
    means, shares = decode(np.load(source), load_file(f"{folder}/model.safetensors"), settings)
    np.savez(target, components=means, masks=shares)

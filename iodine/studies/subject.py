"""What a study looks at: a model, images, and how the model is to be run."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from iodine.api.model import Model
from iodine.api.result import Result
from iodine.errors import UserError


@dataclasses.dataclass(frozen=True)
class Subject:
    """A trained model and the images that it is shown.

    Attributes:
        model: as `iodine.load` gives it.
        batches: dictionaries with `image` [B, H, W, 3] float32 in [0, 1] and, as far as they are
            known, `mask` [B, L, H, W], `visibility` [B, L] and `factors`.
        seed: of the noise.
        num_slots: K; the model's by default.
        num_iterations: T; the model's by default.
    """

    model: Model
    batches: Sequence[Mapping[str, Any]] = ()
    seed: int = 0
    num_slots: int | None = None
    num_iterations: int | None = None

    @property
    def images(self) -> np.ndarray:
        """All images, [N, H, W, 3]."""
        return np.concatenate([batch["image"] for batch in self.batches])

    def scene(self, number: int) -> dict[str, Any]:
        """One image as a batch of its own, with what is known of it.

        Raises:
            UserError: for a number that there is no image of.
        """
        first = 0
        for batch in self.batches:
            count = len(batch["image"])
            if number < first + count:
                row = slice(number - first, number - first + 1)
                return {
                    name: {factor: of[row] for factor, of in value.items()}
                    if isinstance(value, Mapping)
                    else value[row]
                    for name, value in batch.items()
                }
            first += count
        raise UserError(f"there is no scene {number}; the images are 0 to {first - 1}")

    def decompose(self, images: np.ndarray, all_iterations: bool = False) -> Result:
        """Takes images apart as the study is to run the model."""
        return self.model.decompose(
            images, self.num_slots, self.num_iterations, self.seed, all_iterations
        )

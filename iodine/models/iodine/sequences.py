"""Which frame of a clip each refinement reads: sections A.1 and A.2 of the paper.

The decoding before refinement t (t = 0 .. T - 1) and that refinement belong to the same frame: the
decoding is scored on it, and the refinement reads the errors of that score. So what is decoded has
never seen the frame that it is scored on: the loss is one of prediction. The first frame may be
read several times, because one refinement alone does not take a scene apart.
"""


def frame_of(decoding: int, first_frame_refinements: int) -> int:
    """Number of the frame that the decoding t = 0 .. T is scored on."""
    return max(0, decoding - first_frame_refinements + 1)


def num_frames(num_iterations: int, first_frame_refinements: int) -> int:
    """F that T refinements and the decoding after them read."""
    return frame_of(num_iterations, first_frame_refinements) + 1


def num_iterations(num_frames: int, first_frame_refinements: int) -> int:
    """T that reads a clip of F frames: its last decoding is scored on the last frame."""
    return num_frames - 2 + first_frame_refinements

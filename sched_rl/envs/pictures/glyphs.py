"""A tiny typeface for pictures drawn with NumPy alone: letters of 3 x 5 dots."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Rows of a letter from top to bottom, each an octal digit of three dots.
_ROWS = {
    "0": "75557", "1": "26227", "2": "71747", "3": "71717", "4": "55711", "5": "74616", "6": "74757",
    "7": "71122", "8": "75757", "9": "75717", "A": "75755", "B": "65656", "C": "74447", "D": "65556",
    "E": "74647", "F": "74644", "G": "34553", "H": "55755", "I": "72227", "J": "11157", "K": "55655",
    "L": "44447", "M": "57755", "N": "65555", "O": "25552", "P": "75744", "Q": "25563", "R": "65655",
    "S": "34216", "T": "72222", "U": "55557", "V": "55552", "W": "55775", "X": "55255", "Y": "55222",
    "Z": "71247", "+": "02720", "-": "00700", ".": "00002", ",": "00024", "/": "11244", "%": "51245",
    " ": "00000",
}  # fmt: skip


def draw_string(
    image: NDArray[np.uint8], x: int, y: int, text: str, color: tuple[int, int, int], scale: int
) -> int:
    """Write text with its upper left corner at (x, y); what would leave the image is cut off.

    Returns:
        The x at which the next letter would start.
    """
    for letter in text.upper():
        dots = np.array([[int(row) >> bit & 1 for bit in (2, 1, 0)] for row in _ROWS[letter]], np.bool_)
        dots = dots.repeat(scale, axis=0).repeat(scale, axis=1)
        area = image[y : y + 5 * scale, x : x + 3 * scale]
        area[dots[: area.shape[0], : area.shape[1]]] = color
        x += 4 * scale
    return x


def string_width(text: str, scale: int) -> int:
    """Pixels that a text takes, without the space after it."""
    return max(4 * len(text) - 1, 0) * scale

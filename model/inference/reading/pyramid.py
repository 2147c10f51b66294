"""A page at several scales, each half as large as the one before."""

import cv2

from .reading import Pixels


class Pyramid:
    """Keeps what it made: all together take a third of the page's own memory."""

    def __init__(self, pixels: Pixels) -> None:
        self._halvings = [pixels]

    def halved(self, times: int) -> Pixels:
        while len(self._halvings) <= times:
            larger = self._halvings[-1]
            size = max(larger.shape[1] // 2, 1), max(larger.shape[0] // 2, 1)
            self._halvings.append(cv2.resize(larger, size, interpolation=cv2.INTER_AREA))
        return self._halvings[times]

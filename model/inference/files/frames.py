"""Which of an image's frames are pages: a TIFF may have thumbnails and masks beside them."""

from collections.abc import Mapping
from typing import Any

from PIL import Image

from truss_outbox.contract.errors import InvalidInputError

_NEW_SUBFILE_TYPE, _SUBFILE_TYPE, _SUB_FRAMES = 254, 255, 330
_REDUCED_OR_MASK = 0b101
_OLD_REDUCED = 2
_PLACES = (273, 324)  # TIFF's StripOffsets and TileOffsets


class Frames:
    """Pages are counted from 1. Whatever Pillow raises of damaged bytes passes through."""

    def __init__(self, image: Image.Image) -> None:
        self._image = image
        self._pages: list[int] = []
        self._seen = 0
        self._places: set[int] = set()

    def count(self, at_most: int) -> int:
        if self._image.format != "TIFF":
            return 1  # other formats' frames are animations, or (JPEG) previews
        # One after the other: to ask for their number walks through all that there may be.
        while len(self._pages) < at_most and self._look_at_next():
            pass
        if not self._pages:
            self._image.seek(0)
            if _SUB_FRAMES in _tags(self._image):
                raise InvalidInputError(
                    "document", "is a camera's raw picture; export it as JPEG, and send that"
                )
            self._pages = list(range(self._seen))
        return min(len(self._pages), at_most)

    def index(self, number: int) -> int:
        """Of the frame that is page `number`, counted from 0."""
        return self._pages[number - 1] if self.count(number) and self._pages else 0

    def has_its_own_place(self) -> bool:
        """False where the frame that is shown has its pixels where one before it has them."""
        tags = _tags(self._image)
        places = {place for tag in _PLACES for place in tags.get(tag, ())[:1]}
        if places & self._places:
            return False
        self._places |= places
        return True

    def _look_at_next(self) -> bool:
        try:
            self._image.seek(self._seen)
        except EOFError:
            return False
        tags = _tags(self._image)
        new, old = tags.get(_NEW_SUBFILE_TYPE, 0), tags.get(_SUBFILE_TYPE, 0)
        if not (isinstance(new, int) and new & _REDUCED_OR_MASK) and old != _OLD_REDUCED:
            self._pages.append(self._seen)
        self._seen += 1
        return True


def _tags(image: Image.Image) -> Mapping[int, Any]:
    return getattr(image, "tag_v2", {})

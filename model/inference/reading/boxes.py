"""Boxes around lines of text: how large they are, and which cover the same text."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from .models import Box

_SAME_TEXT = 0.5  # boxes that share this part of their height, where both are, hold the same line
_COVERED = 0.5
_CUT = 0.7  # a box of less than this part of the other's height is of a line cut lengthwise


def height(box: Box) -> float:
    """Of the text in it: the box's shorter side."""
    return float(min(np.linalg.norm(box[0] - box[1]), np.linalg.norm(box[0] - box[3])))


class Boxes:
    """Those of lines that were read, of which a large page has thousands."""

    def __init__(self, boxes: Sequence[Box]) -> None:
        self._boxes = boxes
        self._least = np.array([box.min(axis=0) for box in boxes]).reshape(-1, 2)
        self._most = np.array([box.max(axis=0) for box in boxes]).reshape(-1, 2)

    def covering(self, box: Box) -> Box | None:
        """The one that at least half of the box lies in."""
        half = _COVERED * max(float(cv2.contourArea(box)), 1.0)
        return next((one for one in self._near(box) if _shared_area(box, one) >= half), None)

    def overlap(self, box: Box) -> float:
        """The part of the box that lies in them, which do not overlap each other much."""
        area = max(float(cv2.contourArea(box)), 1.0)
        return sum(_shared_area(box, one) for one in self._near(box)) / area

    def _near(self, box: Box) -> list[Box]:
        meet = (self._least < box.max(axis=0)) & (self._most > box.min(axis=0))
        return [self._boxes[place] for place in np.flatnonzero(meet.all(axis=1))]


def joined(pieces: Sequence[tuple[int, Box]]) -> list[Box]:
    """One box for each line, of boxes with the number of the tile that each was found in: a line
    that was cut, or seen twice where tiles overlap, has a box from more than one tile."""
    groups = list(range(len(pieces)))
    for one, other in _meeting(pieces):
        if _are_same_line(pieces[one][1], pieces[other][1]):
            kept, gone = groups[one], groups[other]
            groups = [kept if group == gone else group for group in groups]
    lines: dict[int, list[Box]] = {}
    for group, (_, box) in zip(groups, pieces, strict=True):
        lines.setdefault(group, []).append(box)
    return [_around(boxes) for boxes in lines.values()]


def _meeting(pieces: Sequence[tuple[int, Box]]) -> list[tuple[int, int]]:
    """The pairs of boxes from different tiles whose upright bounds meet."""
    if len({tile for tile, _ in pieces}) < 2:
        return []
    tiles = np.array([tile for tile, _ in pieces])
    least = np.array([box.min(axis=0) for _, box in pieces])
    most = np.array([box.max(axis=0) for _, box in pieces])
    pairs = []
    for place in range(len(pieces)):
        meet = (tiles != tiles[place]) & _bounds_that_meet(least, most, place)
        pairs += [(place, int(other)) for other in np.flatnonzero(meet) if other > place]
    return pairs


def _bounds_that_meet(
    least: npt.NDArray[np.float32], most: npt.NDArray[np.float32], place: int
) -> npt.NDArray[np.bool_]:
    meet: npt.NDArray[np.bool_] = ((least < most[place]) & (most > least[place])).all(axis=1)
    return meet


def _are_same_line(one: Box, other: Box) -> bool:
    if is_wide(one) != is_wide(other):  # of the end of a line one letter may be seen, cut
        least_area = min(float(cv2.contourArea(box)) for box in (one, other))
        return _shared_area(one, other) >= _COVERED * max(least_area, 1.0)
    shared = np.minimum(one.max(axis=0), other.max(axis=0)) - np.maximum(
        one.min(axis=0), other.min(axis=0)
    )
    length = max(float(shared[0 if is_wide(one) else 1]), 1.0)
    least_height = min(height(one), height(other))
    return _shared_area(one, other) >= _SAME_TEXT * length * least_height


def _around(boxes: Sequence[Box]) -> Box:
    """A box along the longest of them, as long as all together."""
    if len(boxes) == 1:
        return boxes[0]
    longest = max(boxes, key=cv2.contourArea)
    whole = [box for box in boxes if height(box) >= _CUT * max(map(height, boxes))]
    sides = longest[1] - longest[0], longest[3] - longest[0]
    along = max(sides, key=np.linalg.norm)
    along = along / max(float(np.linalg.norm(along)), 1.0)
    across = np.array([-along[1], along[0]])
    lengths, breadths = np.concatenate(boxes) @ along, np.concatenate(whole) @ across
    corners = [
        length * along + breadth * across
        for length in (lengths.min(), lengths.max())
        for breadth in (breadths.min(), breadths.max())
    ]
    return _clockwise(np.array(corners, np.float32))


def _clockwise(corners: Box) -> Box:
    """From the top left, as the models give them, however the box leans."""
    by_x = corners[np.argsort(corners[:, 0])]
    left, right = (pair[np.argsort(pair[:, 1])] for pair in (by_x[:2], by_x[2:]))
    return np.stack([left[0], right[0], right[1], left[1]])


def is_wide(box: Box) -> bool:
    return bool(np.linalg.norm(box[0] - box[1]) >= np.linalg.norm(box[0] - box[3]))


def _shared_area(one: Box, other: Box) -> float:
    area, _ = cv2.intersectConvexConvex(one, other)
    return float(area)

"""Where lines are on the page as it is read, however it lies and whichever way its text runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ..reading import Line, Point, Quad, height_of, is_wide


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A line within upright bounds. The page is level, and its lines run from left to right: where
    they are vertical, these are the bounds of the page turned so that they lie."""

    line: Line
    left: float
    top: float
    right: float
    bottom: float
    height: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def middle(self) -> float:
        return (self.left + self.right) / 2

    @property
    def level(self) -> float:
        return (self.top + self.bottom) / 2


def placed(lines: Sequence[Line]) -> list[Placed]:
    vertical = sum(len(line.text) for line in lines if line.vertical)
    is_vertical = 2 * vertical > sum(len(line.text) for line in lines)
    quads = [_lying(line.quad) if is_vertical else line.quad for line in lines]
    wide = [quad for quad in quads if is_wide(quad)]
    # A scan lies a little askew: rows are told apart along its slope, not along the page's edge.
    angle = median(map(_angle, wide)) if wide else 0.0
    return [_place(line, quad, angle) for line, quad in zip(lines, quads, strict=True)]


def _place(line: Line, quad: Quad, angle: float) -> Placed:
    # Turned about its own middle's place: a line that is level becomes an upright rectangle.
    points = [_turned(point, -angle) for point in quad]
    x, y = zip(*points, strict=True)
    if is_wide(quad):
        left, right = (x[0] + x[3]) / 2, (x[1] + x[2]) / 2
        top, bottom = (y[0] + y[1]) / 2, (y[2] + y[3]) / 2
    else:
        left, right, top, bottom = min(x), max(x), min(y), max(y)
    return Placed(
        line=line,
        left=min(left, right),
        top=min(top, bottom),
        right=max(left, right),
        bottom=max(top, bottom),
        height=height_of(quad),
    )


def _lying(quad: Quad) -> Quad:
    """On the page turned to the left: what was at its right is at its top."""
    one, two, three, four = ((y, -x) for x, y in quad)
    return (one, two, three, four)


def _angle(quad: Quad) -> float:
    (left, top), (right, bottom) = quad[0], quad[1]
    return math.atan2(bottom - top, right - left) if right > left else 0.0


def _turned(point: Point, angle: float) -> Point:
    x, y = point
    cos, sin = math.cos(angle), math.sin(angle)
    return x * cos - y * sin, x * sin + y * cos

"""Putting the library into a Truss: one that is there (`add`), or a new one (`new`).

`plan_adoption` reads and changes nothing; `apply` writes what it planned. What is the user's own
stays byte for byte: comments, order, quotes, line ends.
"""

from .adoption import Adoption, ByHand, FileChange, LibraryChange
from .new import new_truss
from .plan import apply, plan_adoption

__all__ = [
    "Adoption",
    "ByHand",
    "FileChange",
    "LibraryChange",
    "apply",
    "new_truss",
    "plan_adoption",
]

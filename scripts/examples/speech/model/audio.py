"""An audio file as the model takes it: one channel at 16 kHz, in pieces that end where it is quiet.

A piece has at most a minute, so that memory stays the same however long the recording is.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from truss_outbox import InvalidInputError

SAMPLE_RATE = 16_000
MAX_SECONDS = 4 * 3600
PIECE = 60 * SAMPLE_RATE
SEARCHED = 10 * SAMPLE_RATE
"""How much of a piece's end is searched for the quietest moment."""
MOMENT = SAMPLE_RATE // 5
BLOCK_FRAMES = 1 << 18


def pieces(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    """Where each piece begins, in seconds, and its samples (float32, -1 to 1).

    Raises InvalidInputError.
    """
    first, waiting = 0, np.empty(0, np.float32)
    for block in _resampled(path):
        waiting = np.concatenate([waiting, block])
        while len(waiting) >= PIECE:
            end = _quietest(waiting)
            yield first / SAMPLE_RATE, waiting[:end]
            first, waiting = first + end, waiting[end:]
    if len(waiting):
        yield first / SAMPLE_RATE, waiting


def _quietest(samples: np.ndarray) -> int:
    moments = np.abs(samples[PIECE - SEARCHED : PIECE]).reshape(-1, MOMENT).mean(axis=1)
    return PIECE - SEARCHED + int(moments.argmin()) * MOMENT + MOMENT // 2


def _resampled(path: Path) -> Iterator[np.ndarray]:
    try:
        with soundfile.SoundFile(path) as sound:
            _check(sound)
            resampler = soxr.ResampleStream(sound.samplerate, SAMPLE_RATE, num_channels=1)
            for block in sound.blocks(BLOCK_FRAMES, dtype="float32", always_2d=True):
                if not np.isfinite(block).all():
                    raise InvalidInputError("audio", "holds samples that are no numbers")
                yield resampler.resample_chunk(block.mean(axis=1))
            yield resampler.resample_chunk(np.empty(0, np.float32), last=True)
    except soundfile.LibsndfileError:
        problem = "is no audio file that can be read; send WAV, FLAC, Ogg or MP3"
        raise InvalidInputError("audio", problem) from None


def _check(sound: soundfile.SoundFile) -> None:
    """A few bytes can claim any rate, any number of channels, and centuries of silence."""
    if not (8_000 <= sound.samplerate <= 192_000 and sound.channels <= 8):
        raise InvalidInputError("audio", "must have 8 to 192 kHz, and at most 8 channels")
    if not 0 < sound.frames <= MAX_SECONDS * sound.samplerate:
        raise InvalidInputError("audio", f"must hold sound, {MAX_SECONDS // 3600} hours at most")

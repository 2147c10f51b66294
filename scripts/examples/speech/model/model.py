"""Speech to text: an English recording in; its words out, as text, subtitles and JSON."""

import json
from typing import Any

import numpy as np
from moonshine_voice import ModelArch, Transcriber, TranscriptLine, get_model_path

from model.audio import SAMPLE_RATE, pieces
from model.subtitles import srt
from truss_outbox import Outputs, open_file, stored

SILENCE = np.zeros(SAMPLE_RATE, np.float32)


@stored
class Model:
    def load(self) -> None:
        options = {
            "vad_threshold": 0.3,  # a short pause ends a segment
            "vad_look_behind_sample_count": 4096,  # with more, a word is heard in two segments
            "return_audio_data": "false",  # else as a list of numbers
        }
        self._model = Transcriber(get_model_path("tiny-en"), ModelArch.TINY, options=options)

    def predict(self, model_input: dict[str, Any]) -> Outputs:
        # Else the model takes a recording's first second for the end of the one before.
        self._transcribe(SILENCE)
        with open_file(model_input.get("audio"), field="audio") as path:
            segments = [
                {
                    "start": round(start + line.start_time, 2),
                    "end": round(start + line.start_time + line.duration, 2),
                    "text": line.text,
                }
                for start, samples in pieces(path)
                for line in self._transcribe(samples)
            ]
        transcript = {"text": " ".join(one["text"] for one in segments), "segments": segments}
        return Outputs(
            result={"text": transcript["text"]},
            files={
                "transcript.json": json.dumps(transcript, indent=1).encode(),
                "transcript.srt": srt(segments).encode(),
            },
        )

    def _transcribe(self, samples: np.ndarray) -> list[TranscriptLine]:
        return self._model.transcribe_without_streaming(samples.tolist(), SAMPLE_RATE).lines

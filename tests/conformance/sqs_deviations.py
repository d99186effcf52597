"""Cases in which moto or the local engine deviate from SQS, with the reason by which it is tolerated."""

from __future__ import annotations

UNCHECKED = "it does not check the number; the project's own numbers are held in memory"
UNCOUNTED = "it does not count them; the project's own sizes are held in memory"
NO_SOURCE = "it counts on, and does not name the source; no test in moto redrives"
ANY_TEXT = "it stores any text; JSON has no such character"

DEVIATIONS: dict[str, dict[str, str]] = {
    "moto": {
        "the visibility of a visible message cannot be changed": "it hides the message",
        "a delay is not negative": UNCHECKED,
        "a message is redriven once it was received too often": NO_SOURCE,
        "receives of a redriven message are counted anew, so that its queue does not redrive it at once": NO_SOURCE,
        "a redriven message keeps its attributes": NO_SOURCE,
        "bytes are counted, not characters": UNCOUNTED,
        "attributes count as part of the size": UNCOUNTED,
        "control characters are refused": ANY_TEXT,
        "the other entries of a batch are sent": ANY_TEXT,
    },
    "engine": {
        "a delete repeated succeeds": "it knows no handle of a deleted message; the project deletes once",
        "the visibility of a visible message cannot be changed": "it hides the message",
        "a visibility timeout is at most 12 hours": UNCHECKED,
        "a delay is at most 15 minutes": UNCHECKED,
        "a delay is not negative": UNCHECKED,
        "attributes count as part of the size": UNCOUNTED,
        "a wrong entry fails alone": UNCHECKED,
    },
}

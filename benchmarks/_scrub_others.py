"""What Presidio's pattern recognizers and Sentry's scrubber leave of texts: JSON list in, JSON object of lists out.

Run by `benchmarks/scrub.py --others PYTHON` in an interpreter that has presidio-analyzer and sentry-sdk. Presidio's
recognizers run one by one, without a language model, and take every score, as its analyzer does by default. Sentry's
scrubber gets a text that is JSON as a tree, else as one value, and goes through the whole tree.
"""

from __future__ import annotations

import copy
import json
import sys

from presidio_analyzer import predefined_recognizers as known
from sentry_sdk.scrubber import EventScrubber

RECOGNIZERS = [
    known.CreditCardRecognizer(),
    known.EmailRecognizer(),
    known.IbanRecognizer(),
    known.IpRecognizer(),
    known.PhoneRecognizer(),
    known.UsSsnRecognizer(),
]


def presidio(text: str) -> str:
    spans = []
    for recognizer in RECOGNIZERS:
        spans += [(r.start, r.end) for r in recognizer.analyze(text, recognizer.supported_entities, None) or []]
    for start, end in sorted(spans, reverse=True):
        text = text[:start] + "#" + text[end:]
    return text


SENTRY = EventScrubber(recursive=True, send_default_pii=False)


def sentry(text: str) -> str:
    try:
        value = json.loads(text) if text[:1] in "{[" else text
    except ValueError:
        value = text
    event = {"extra": {"value": copy.deepcopy(value)}}
    SENTRY.scrub_event(event)
    after = event["extra"]["value"]
    return text if after == value else after if isinstance(after, str) else json.dumps(after, default=str)


texts = json.load(sys.stdin)
json.dump({"presidio": [presidio(t) for t in texts], "sentry": [sentry(t) for t in texts]}, sys.stdout)

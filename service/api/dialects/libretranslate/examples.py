"""What the documentation shows of POST /translate. Its requests work with the default model."""

from __future__ import annotations

from typing import Any

from service.api.body import FORM, JSON, MULTIPART
from service.api.dialects.libretranslate.fields import (
    DetectBody,
    ScoreBody,
    TranslateBody,
)
from service.api.dialects.libretranslate.options import bounds
from service.domain import Format
from service.settings import Settings


def request_documentation(settings: Settings) -> dict[str, Any]:
    """OpenAPI's `requestBody`, with the bounds and defaults of the settings."""
    schema = TranslateBody.model_json_schema()
    for name, (least, most, default) in bounds(settings).items():
        schema["properties"][name] |= {"minimum": least, "maximum": most}
        if least <= default:
            schema["properties"][name]["default"] = default
    schema["properties"]["retry_repetitions"]["default"] = settings.decoding.retry_repetitions
    schema["properties"]["format"]["enum"] = list(Format)
    form_schema = schema | {
        "properties": schema["properties"]
        | {
            "q": {
                "type": "array",
                "items": {"type": "string"},
                "description": "Text to translate; repeat the field for many.",
                "examples": [["Bonjour tout le monde."]],
            }
        }
    }
    form = {"schema": form_schema, "example": REQUESTS["one text"]["value"]}
    return {
        "required": True,
        "content": {JSON: {"schema": schema, "examples": REQUESTS}, FORM: form, MULTIPART: form},
    }


def score_documentation() -> dict[str, Any]:
    """The same for POST /score."""
    schema = ScoreBody.model_json_schema()
    return {"required": True, "content": {kind: {"schema": schema} for kind in KINDS}}


def detect_documentation() -> dict[str, Any]:
    """The same for POST /detect."""
    schema = DetectBody.model_json_schema()
    return {"required": True, "content": {kind: {"schema": schema} for kind in KINDS}}


KINDS = (JSON, FORM, MULTIPART)
REQUESTS: dict[str, dict[str, Any]] = {
    "one text": {
        "value": {
            "q": "Bonjour tout le monde. Comment allez-vous ?",
            "source": "fr",
            "target": "en",
        }
    },
    "detection": {
        "value": {
            "q": "Bonjour tout le monde. Comment allez-vous ?",
            "source": "auto",
            "target": "en",
        }
    },
    "many texts": {
        "value": {
            "q": ["Le chat dort.", "Il fait beau aujourd'hui."],
            "source": "fr",
            "target": "en",
        }
    },
    "a piece of a page": {
        "value": {
            "q": "<p>Le <b>chat</b> dort.</p>",
            "source": "fr",
            "target": "en",
            "format": "html",
        }
    },
    "a piece of XML": {
        "value": {
            "q": "<p>Le <b>chat</b> dort.</p>",
            "source": "fr",
            "target": "en",
            "format": "xml",
        }
    },
    "a glossary": {
        "value": {
            "q": "Le chat dort.",
            "source": "fr",
            "target": "en",
            "glossary": {"chat": "tomcat"},
        }
    },
    "alternatives": {
        "value": {"q": "Merci beaucoup.", "source": "fr", "target": "en", "alternatives": 2}
    },
    "options": {
        "value": {
            "q": "Où est la gare ?",
            "source": "fr",
            "target": "en",
            "beam_size": 5,
            "num_hypotheses": 3,
            "return_scores": True,
        }
    },
    "alignments": {
        "value": {
            "q": "Le chat noir dort.",
            "source": "fr",
            "target": "en",
            "return_alignments": True,
            "return_details": True,
            "deadline_seconds": 5,
        }
    },
    "a stream": {
        "value": {
            "q": "Le chat dort. Où est la gare ?",
            "source": "fr",
            "target": "en",
            "stream": True,
        }
    },
    "minimum Bayes risk": {
        "value": {
            "q": "Où est la gare ?",
            "source": "fr",
            "target": "en",
            "selection": "mbr",
            "beam_size": 8,
        }
    },
}

REPLIES: dict[str, dict[str, Any]] = {
    "one text": {"value": {"translatedText": "Hello everyone. How are you?"}},
    "detection": {
        "value": {
            "translatedText": "Hello everyone. How are you?",
            "detectedLanguage": {"confidence": 100, "language": "fr"},
        }
    },
    "many texts": {"value": {"translatedText": ["The cat sleeps.", "It is nice weather today."]}},
    "a piece of a page": {"value": {"translatedText": "<p>The <b>cat</b> sleeps.</p>"}},
    "a piece of XML": {"value": {"translatedText": "<p>The <b>cat</b> sleeps.</p>"}},
    "a glossary": {
        "value": {
            "translatedText": "The tomcat sleeps.",
            "finish_reason": "eos",
            "sentences": [
                {
                    "source": "Le chat dort.",
                    "translations": [{"text": "The tomcat sleeps.", "finish_reason": "eos"}],
                }
            ],
        }
    },
    "alternatives": {
        "value": {
            "translatedText": "Thank you very much.",
            "alternatives": ["Thank you so much.", "Thanks a lot."],
        }
    },
    "options": {
        "value": {
            "translatedText": "Where is the station?",
            "finish_reason": "eos",
            "sentences": [
                {
                    "source": "Où est la gare ?",
                    "translations": [
                        {
                            "text": "Where is the station?",
                            "score": -0.21,
                            "finish_reason": "eos",
                        },
                        {
                            "text": "Where's the train station?",
                            "score": -0.48,
                            "finish_reason": "eos",
                        },
                    ],
                }
            ],
        }
    },
    "alignments": {
        "value": {
            "translatedText": "The black cat sleeps.",
            "finish_reason": "eos",
            "sentences": [
                {
                    "source": "Le chat noir dort.",
                    "source_range": [0, 18],
                    "target_range": [0, 21],
                    "translations": [{"text": "The black cat sleeps.", "finish_reason": "eos"}],
                }
            ],
            "alignments": [
                {"source": [0, 2], "target": [0, 3]},
                {"source": [8, 12], "target": [4, 9]},
                {"source": [3, 7], "target": [10, 13]},
                {"source": [13, 17], "target": [14, 20]},
                {"source": [17, 18], "target": [20, 21]},
            ],
            "details": {
                "request_id": "order-1234",
                "model": "fr-en",
                "version": "1",
                "variant": "int8",
                "precision": "int8",
                "device": "cpu",
                "provider": "CPUExecutionProvider",
                "models": [{"model": "fr-en", "version": "1", "variant": "int8"}],
            },
        }
    },
}

EVENTS = "text/event-stream"
STREAM: dict[str, Any] = {
    "schema": {
        "type": "object",
        "description": "An event, with stream. Each `sentence` holds what `sentences` of the reply "
        "says of it, its ranges and, with return_alignments, its alignments; `done` the reply.",
        "properties": {
            "event": {"enum": ["sentence", "done", "error"]},
            "data": {"type": "string", "contentMediaType": "application/json"},
        },
        "required": ["event", "data"],
    },
    "example": """event: sentence
data: {"source":"Le chat dort.","translations":[{"text":"The cat sleeps.","finish_reason":"eos"}],\
"source_range":[0,13],"target_range":[0,15]}

event: sentence
data: {"source":"Où est la gare ?","translations":[{"text":"Where's the station?",\
"finish_reason":"eos"}],"source_range":[14,30],"target_range":[16,36]}

event: done
data: {"translatedText":"The cat sleeps. Where's the station?","finish_reason":"eos",\
"sentences":[…]}

""".replace("\\\n", ""),
}

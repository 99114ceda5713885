"""POST /translate, POST /detect and GET /languages in LibreTranslate's shape, over the installed dictionaries."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rerank.protocols import UNDETERMINED, Detection, Translation
from rerank.service.body import read_body_or_form
from rerank.service.faults import RefusedValue, TooLarge
from rerank.service.models import LANGUAGES
from rerank.service.requests import Limits, check_language, read_text
from rerank.service.state import ServiceState

AUTO = "auto"
NAMES = {
    "en": "English",
    "de": "German",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "nl": "Dutch",
    "pt": "Portuguese",
    "pl": "Polish",
    "sv": "Swedish",
    "ja": "Japanese",
    "zh": "Chinese",
}


async def translate(state: ServiceState, request: Request) -> Response:
    """Translate `q`, a text or a list of texts, from `source` (or auto) to `target`.

    Words that nothing translates stay as they are: that is what a query of brands and sizes needs. `engine`, which
    LibreTranslate does not tell, is `keep` for a text that came back as it was.
    """
    data = await read_body_or_form(request, state.limits)
    texts, single = _texts(data, state.limits)
    source, target = _code(data, "source"), _code(data, "target")
    if target == AUTO:
        raise RefusedValue("`target` must be a language")
    if data.get("format") not in (None, "", "text"):
        raise RefusedValue("`format` must be text: markup is not translated")
    detector, translators = state.models.language()

    def run() -> list[tuple[Translation, Detection]]:
        translator, done = translators.translator(), []
        for text in texts:
            found = detector.detect([text])[0] if source == AUTO else Detection(source, 1.0)
            same = found.language in (target, UNDETERMINED)
            kept = Translation(text, "keep", 0.0)
            done.append((kept if same else translator.translate([text], found.language, target)[0], found))
        return done

    done = await state.query_lane.run(run, request.is_disconnected)
    answer: dict[str, Any] = {
        "translatedText": _one(single, [item.text for item, _ in done]),
        "engine": _one(single, [item.engine for item, _ in done]),
    }
    if source == AUTO:
        answer["detectedLanguage"] = _one(single, [_detected(found) for _, found in done])
    return JSONResponse(answer)


async def detect(state: ServiceState, request: Request) -> Response:
    """Tell the languages that `q` may be in, the likeliest first."""
    data = await read_body_or_form(request, state.limits)
    text = read_text(data, "q", state.limits.text_characters)
    detector, _ = state.models.language()
    found = await state.query_lane.run(lambda: detector.candidates(text), request.is_disconnected)
    return JSONResponse([_detected(one) for one in found])


async def languages(state: ServiceState, request: Request) -> Response:
    """List the languages that can be translated, each with its targets."""
    _, translators = state.models.language()
    pairs = translators.translator().pairs()
    targets = {code: sorted(target for source, target in pairs if source == code) for code in LANGUAGES}
    return JSONResponse([{"code": code, "name": NAMES.get(code, code), "targets": targets[code]} for code in LANGUAGES])


def _texts(data: Mapping[str, Any], limits: Limits) -> tuple[list[str], bool]:
    given = data.get("q")
    if not isinstance(given, list):
        return [read_text(data, "q", limits.text_characters)], True
    if len(given) > limits.inputs:
        raise TooLarge(f"`q` may hold {limits.inputs} texts, got {len(given)}")
    return [
        read_text({f"q[{place}]": text}, f"q[{place}]", limits.text_characters) for place, text in enumerate(given)
    ], False


def _code(data: Mapping[str, Any], key: str) -> str:
    code = data.get(key)
    if not isinstance(code, str) or not code:
        raise RefusedValue(f"`{key}` must be a language")
    return code if code == AUTO else check_language(code).split("-")[0].lower()


def _detected(found: Detection) -> dict[str, Any]:
    return {"language": found.language, "confidence": round(100 * found.confidence, 1)}


def _one(single: bool, items: list[Any]) -> Any:
    return items[0] if single else items

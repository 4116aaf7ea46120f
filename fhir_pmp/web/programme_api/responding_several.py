"""POST /programme/responses: several filled instruments, each for itself."""

from typing import Any

import orjson
from flask import Response

from fhir_pmp.web.access.policy import Visitor, may
from fhir_pmp.web.programme_api.blueprint import address, gives, json_answer, sent, takes
from fhir_pmp.web.programme_api.first_answers import Answer
from fhir_pmp.web.programme_api.recording import Sent, record_sent
from fhir_pmp.web.programme_api.response_schemas import (
    ResponsesSchema,
    SeveralTakenSchema,
    refused_response,
)


@address("POST", "/responses")
@may(Visitor.PLATFORM)
@takes(ResponsesSchema)
@gives(200, SeveralTakenSchema, "What became of each, in their order; some may be refused")
def respond_several(said: dict[str, Any]) -> Response:
    """Hand over several responses. Each is answered as if it had come alone; the others stand whatever becomes of it."""
    each = [
        Sent(one["response"], one, {name: value for name, value in raw.items() if name != "response"})
        for one, raw in zip(said["responses"], sent()["responses"], strict=True)
    ]
    told: list[dict[str, object]] = []
    for one, came_to in zip(each, record_sent(each), strict=True):
        if isinstance(came_to, Answer):
            value = orjson.loads(came_to.body)
            told.append({"response": one.own_id, "status": came_to.status} | value)
        else:
            told.append(refused_response(one.own_id, came_to))
    return json_answer({"responses": told})

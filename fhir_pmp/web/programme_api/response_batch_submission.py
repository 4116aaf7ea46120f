"""Serves POST /programme/responses: records several responses, each independently."""

from typing import Any

import orjson
from flask import Response

from fhir_pmp.web.access.policy import CallerKind, allow
from fhir_pmp.web.programme_api.blueprint import (
    accepts_body,
    build_json_response,
    operation,
    raw_body,
    returns,
)
from fhir_pmp.web.programme_api.idempotent_replies import Reply
from fhir_pmp.web.programme_api.response_schemas import (
    BatchResultSchema,
    ResponsesSchema,
    build_refused_entry,
)
from fhir_pmp.web.programme_api.submitted_responses import SubmittedResponse, record_submitted_responses


@operation("POST", "/responses")
@allow(CallerKind.PLATFORM)
@accepts_body(ResponsesSchema)
@returns(200, BatchResultSchema, "The result of each, in the order sent; some may be refused")
def respond_several(body: dict[str, Any]) -> Response:
    """Send several responses.

    Each is recorded or refused independently of the others and answered as if sent alone.
    """
    submitted = [
        SubmittedResponse(
            one["response"], one, {name: value for name, value in raw.items() if name != "response"}
        )
        for one, raw in zip(body["responses"], raw_body()["responses"], strict=True)
    ]
    entries: list[dict[str, object]] = []
    for one, reply in zip(submitted, record_submitted_responses(submitted), strict=True):
        if isinstance(reply, Reply):
            value = orjson.loads(reply.body)
            entries.append({"response": one.platform_id, "status": reply.status} | value)
        else:
            entries.append(build_refused_entry(one.platform_id, reply))
    return build_json_response({"responses": entries})

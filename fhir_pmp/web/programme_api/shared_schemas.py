"""Schemas that several addresses share: identifiers and errors."""

from marshmallow import INCLUDE, Schema, fields

from fhir_pmp.web.programme_api.field_types import PlainText, StrictSchema, Uri


class IdentifierSchema(StrictSchema):
    """A business identifier: its system and its value."""

    system = Uri(required=True, description="The URI of the system that issued it")
    value = PlainText(required=True)


class FaultSchema(Schema):
    """One fault of a request."""

    field = fields.String(
        required=True, metadata={"description": "The field at fault; empty for the whole request"}
    )
    what = fields.String(required=True, metadata={"description": "What is wrong with it; never the value"})


class ErrorSchema(Schema):
    """Why a request was refused, and who must act."""

    status = fields.Integer(required=True)
    faults = fields.List(fields.Nested(FaultSchema), required=True)
    who_acts = fields.String(required=True)


class OpenApiSchema(Schema):
    """An OpenAPI document."""

    class Meta:
        """Accepts every other member of OpenAPI."""

        unknown = INCLUDE

    openapi = fields.String(required=True)
    info = fields.Dict(required=True)
    paths = fields.Dict(required=True)
    components = fields.Dict(required=True)

"""What several addresses take or give: identifiers, and what is said when something is refused."""

from marshmallow import INCLUDE, Schema, fields

from fhir_pmp.web.programme_api.field_types import PlainText, StrictSchema, Uri


class IdentifierSchema(StrictSchema):
    """A business identifier: the system that issued it, and its value."""

    system = Uri(required=True, description="The URI of the system that issued it")
    value = PlainText(required=True)


class FaultSchema(Schema):
    """One thing that is wrong."""

    field = fields.String(required=True, metadata={"description": "Where it stands; empty: everywhere"})
    what = fields.String(required=True, metadata={"description": "What is true of it; never the value"})


class ErrorSchema(Schema):
    """Why something was not done, and who must act."""

    status = fields.Integer(required=True)
    faults = fields.List(fields.Nested(FaultSchema), required=True)
    who_acts = fields.String(required=True)


class OpenApiSchema(Schema):
    """An OpenAPI document."""

    class Meta:
        """What else OpenAPI knows."""

        unknown = INCLUDE

    openapi = fields.String(required=True)
    info = fields.Dict(required=True)
    paths = fields.Dict(required=True)
    components = fields.Dict(required=True)

"""Renders an error as a page: what is wrong, and who must act."""

from fhir_pmp.web.error_responses import ErrorDescription
from fhir_pmp.web.pages.page_layout import render_page

_TITLES = {
    403: "You cannot do this here",
    404: "There is nothing here",
    405: "This address cannot be used like that",
    409: "This cannot be done at present",
    412: "It has been changed in the meantime",
    413: "That was too large",
    429: "Too many attempts",
    500: "Something went wrong on our side",
    503: "Not possible at the moment",
}
_WHAT_TO_DO = {
    403: "Your role may not do this, or the form was open for too long: go back, reload the page and try again.",
    404: "Check the address, or search for the person under People.",
    409: "Look at the record as it is now, then decide again.",
    412: "Look at the record as it is now, then decide again.",
    413: "Shorten what you sent, then send it again.",
    503: "Wait a moment, then try again. Nothing has been changed.",
}


def render_error_page(description: ErrorDescription) -> str:
    """Returns the HTML page of an error."""
    title = _TITLES.get(description.status, "This was not done")
    what = [f"{fault.what[:1].upper()}{fault.what[1:]}" for fault in description.faults]
    to_do = _WHAT_TO_DO.get(description.status, description.who_acts)
    return render_page("error.html", title=title, what=what, to_do=to_do)

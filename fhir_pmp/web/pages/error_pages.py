"""An error as a page: what is true, and who does something about it."""

from fhir_pmp.web.errors import Told
from fhir_pmp.web.pages.frame import page

_TITLES = {
    403: "You cannot do this here",
    404: "There is nothing here",
    405: "This address cannot be used like that",
    409: "This cannot be done as things stand",
    412: "Somebody changed it meanwhile",
    413: "That was too large",
    429: "Too many attempts",
    500: "Something went wrong on our side",
    503: "Not possible just now",
}


def error_page(told: Told) -> str:
    """The HTML of an error."""
    title = _TITLES.get(told.status, "This was not done")
    return page("error.html", title=title, told=told)

"""Names the kinds of work items that exchange with an EHR opens."""

DELIVERY_REFUSED = "delivery_refused"
EDITED = "edited_at_destination"
NOT_LINKED = "patient_not_linked"
DELIVERY_KINDS = (DELIVERY_REFUSED, EDITED)
DELETED = "deleted_at_destination"
DUPLICATED = "doubled_at_destination"
EDIT_ALERT_KINDS = (EDITED, DELETED, DUPLICATED)
LINK_LOST = "patient_link_lost"
PULL_REFUSED = "pull_refused"
UNACKNOWLEDGED = "deliveries_unacknowledged"
CHANGED_BY_DESTINATION = "changed_by_destination"
DESTINATION_PAUSED = "destination_paused"

"""Names the kinds of work items that letters open."""

LETTER_NOT_MADE = "letter-not-made"
"""A letter is due and cannot be drafted or sent."""
LETTER_WITHOUT_RECIPIENT = "letter-without-recipient"
"""A letter is drafted and its episode names no practice."""
SIGNED_LETTER_OUTDATED = "signed-letter-outdated"
"""A fact that a signed letter states has changed."""

"""Published questionnaires as data, and the scoring of their answers; without clock or database."""

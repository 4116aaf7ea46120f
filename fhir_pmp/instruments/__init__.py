"""What a published questionnaire is and how its answers become scores: pure values, no clock, no database."""

"""The door of the programme's platform: hand over people, lessons and answers, read outcomes."""

"""Patient, Practitioner, Organization and EpisodeOfCare."""

"""Letters as Composition, document Bundle and DocumentReference."""

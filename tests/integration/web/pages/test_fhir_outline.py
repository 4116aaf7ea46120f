"""Foreign FHIR as lines: nothing is left out but narrative and attached bytes."""

from fhir_pmp.web.pages.fhir_outline import OutlineLine, build_outline, type_name


def test_small_datatypes_stand_on_one_line() -> None:
    resource = {
        "resourceType": "MedicationStatement",
        "id": "1",
        "identifier": [{"system": "urn:s", "value": "7"}],
        "medicationCodeableConcept": {
            "coding": [{"system": "urn:c", "code": "a", "display": "Amitriptyline"}],
            "text": "Amitriptyline 10 mg at night",
        },
        "subject": {"reference": "Patient/1", "display": "Ann"},
        "dosage": [{"doseAndRate": [{"doseQuantity": {"value": 10, "unit": "mg", "code": "mg"}}]}],
    }
    assert build_outline(resource) == [
        OutlineLine("Identifier", "7 (urn:s)"),
        OutlineLine("Medication codeable concept, code", "Amitriptyline (urn:c a)"),
        OutlineLine("Medication codeable concept, text", "Amitriptyline 10 mg at night"),
        OutlineLine("Subject", "Ann (Patient/1)"),
        OutlineLine("Dosage, dose and rate, dose quantity", "10 mg"),
    ]


def test_several_of_a_kind_are_numbered_and_truth_is_a_word() -> None:
    assert build_outline({"active": True, "given": ["Ann", "Bo"], "deceasedBoolean": False}) == [
        OutlineLine("Active", "yes"),
        OutlineLine("Given 1", "Ann"),
        OutlineLine("Given 2", "Bo"),
        OutlineLine("Deceased boolean", "no"),
    ]


def test_narrative_is_left_out_and_attached_bytes_are_named() -> None:
    resource = {
        "text": {"status": "generated", "div": "<div>seen nowhere</div>"},
        "content": [{"attachment": {"contentType": "application/pdf", "data": "AAAA"}}],
    }
    assert build_outline(resource) == [
        OutlineLine("Content, attachment, content type", "application/pdf"),
        OutlineLine("Content, attachment, data", "attached"),
    ]


def test_extensions_are_not_lost() -> None:
    resource = {"extension": [{"url": "urn:x", "valueString": "said outside the standard"}]}
    assert build_outline(resource) == [
        OutlineLine("Extension, url", "urn:x"),
        OutlineLine("Extension, value string", "said outside the standard"),
    ]


def test_a_type_is_told_in_words() -> None:
    assert type_name("MedicationStatement") == "Medication statement"

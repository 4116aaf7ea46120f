"""What is cut off before sending, and that what was sent comes back whole from what is kept."""

from fhir_pmp.store.delivery.sent_bytes import bytes_to_store, restore_sent_bytes, without_version_meta

HEAD = b'{"resourceType":"Patient","id":"person-1",'
STAMP = b'"versionId":"3","lastUpdated":"2026-03-01T10:11:12.123Z"'


def test_our_version_and_time_stay_at_home() -> None:
    assert without_version_meta(HEAD + b'"meta":{' + STAMP + b'},"active":true}') == HEAD + b'"active":true}'


def test_a_profile_travels() -> None:
    sent = without_version_meta(
        HEAD + b'"meta":{' + STAMP + b',"profile":["http://example.org/p"]},"active":true}'
    )
    assert sent == HEAD + b'"meta":{"profile":["http://example.org/p"]},"active":true}'


def test_what_carries_no_stamp_of_ours_travels_as_it_is() -> None:
    content = HEAD + b'"text":{"div":"\\"meta\\":{\\"versionId\\":\\"1\\"}"}}'
    assert without_version_meta(content) == content


def test_what_travelled_as_published_is_kept_once_and_anything_else_apart() -> None:
    published = HEAD + b'"meta":{' + STAMP + b'},"active":true}'
    travelled = HEAD + b'"active":true}'
    assert bytes_to_store(travelled, published) is None
    assert restore_sent_bytes(None, published) == travelled
    rewritten = travelled.replace(b"person-1", b"7")
    assert bytes_to_store(rewritten, published) == rewritten
    assert restore_sent_bytes(rewritten, published) == rewritten

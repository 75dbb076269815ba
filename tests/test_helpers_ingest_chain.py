"""Which object holds a delivery, and what it supersedes."""

from helpers.ingest_chain import Chain, delivered_name, read_links, write_links
from helpers.objects import S3Object

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
PREFIX = "d/ingest_date=2024-01-01/"


def deliver(chain: Chain, name: str, sha256: str) -> tuple[str, list[str]]:
    """Deliver a file of ten bytes as step 01 does; return its key and what it superseded."""
    found = chain.find(name, sha256, 10)
    if found:
        return found.key, []
    replaced = chain.list_replaced(name)
    key = chain.choose_key(PREFIX, name, sha256)
    chain.add(S3Object("raw", key, "e", 10, 0.0), replaced)
    return key, replaced


def test_append_never_supersedes() -> None:
    """The same bytes are one object under any name, and a file of the same name stands beside the first."""
    chain = Chain(False, {})
    first, _ = deliver(chain, "export.csv", A)
    assert deliver(chain, "other.csv", A) == (first, [])
    assert deliver(chain, "export.csv", B) == (f"{PREFIX}{'b' * 12}-export.csv", [])


def test_replaced_by_name_is_a_chain() -> None:
    """Each new content of a name supersedes the one before; bytes that come again are a delivery under a new key."""
    chain = Chain(True, {})
    first, _ = deliver(chain, "export.csv", A)
    second, replaced = deliver(chain, "export.csv", B)
    assert replaced == [first]
    again, replaced = deliver(chain, "export.csv", A)
    assert again == f"{PREFIX}{'a' * 12}.2-export.csv" and replaced == [second]
    assert deliver(chain, "export.csv", A) == (again, [])
    assert delivered_name(chain.objects[again]) == "export.csv"


def test_names_do_not_share_bytes_where_they_are_replaced() -> None:
    """The same bytes under two names are two deliveries: replacing one leaves the other."""
    chain = Chain(True, {})
    deliver(chain, "x.csv", A)
    assert deliver(chain, "y.csv", A)[1] == []
    assert len(chain.objects) == 2
    assert deliver(chain, "y.csv", C)[1] == [f"{PREFIX}{'a' * 12}-y.csv"]


def test_links_survive_metadata() -> None:
    """Keys with spaces and letters outside ASCII are told from each other."""
    keys = ["d/a b.csv", "d/é.csv"]
    assert read_links(write_links(keys)) == keys and write_links([]) == {}

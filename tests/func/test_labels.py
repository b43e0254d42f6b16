# SPDX-License-Identifier: Apache-2.0
"""Labels of sandboxes, from making one to selecting many."""


def names(msb, *args):
    return sorted(msb.ok("ls", "-q", *args).split())


def test_labels_from_create_to_remove(msb):
    msb.create("web", "-l", "app=shop", "--label", "tier=web", "-l", "tier=front")
    msb.create("db", "-l", "app=shop", "-l", "note=")
    msb.create("other")
    assert msb.json("inspect", "web")["config"]["labels"] == {"app": "shop", "tier": "front"}
    assert "app=shop" in msb.ok("inspect", "web")
    assert names(msb, "-l", "app=shop") == ["db", "web"]
    assert names(msb, "-l", "app", "-l", "tier=front") == ["web"]
    assert names(msb, "-l", "note=") == ["db"] and names(msb, "-l", "tier=web") == []
    msb.ok("stop", "-q", "-l", "app=shop")
    assert [msb.status(n) for n in ("web", "db", "other")] == ["Stopped", "Stopped", "Running"]
    msb.ok("start", "-q", "-l", "tier")
    assert sorted(msb.ok("ps", "-q", "-l", "app").split()) == ["web"]
    msb.ok("rm", "-f", "-q", "--label", "app=shop")
    assert names(msb) == ["other"]

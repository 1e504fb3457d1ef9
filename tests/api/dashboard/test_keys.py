"""The page of keys: a secret is shown once, works, and ends when it is revoked."""

from __future__ import annotations

import re

import requests

from tests.api.dashboard.conftest import Member, Site
from tests.eventually import eventually


def test_a_key_is_shown_once_works_and_is_refused_after_it_is_revoked(
    pages: Site,
) -> None:
    admin = Member(pages, "admin")
    shown = admin.fill_in("/keys", name="desk", scope="read").text
    secret = re.search(r"iwk_[\w-]+", shown)
    assert secret
    assert secret[0] not in admin.see("/keys")

    def status() -> int:
        headers = {"Authorization": f"Bearer {secret[0]}"}
        return requests.get(
            f"{pages.base}/v1/items", headers=headers, timeout=30
        ).status_code

    assert status() == 200
    assert admin.fill_in("/keys", name="desk", scope="read").status_code == 422
    admin.fill_in("/keys/revoke", name="desk")
    eventually(lambda: status() == 401)


def test_only_administrators_see_the_page_of_keys(pages: Site) -> None:
    curator = Member(pages, "curator")
    answer = curator.get(f"{pages.base}/keys", timeout=30)
    assert answer.status_code == 403
    assert curator.fill_in("/keys", name="mine", scope="read").status_code == 403

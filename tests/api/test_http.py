"""A filter is declared once, and none is accepted and ignored."""

import pytest
from marshmallow import fields

from services.api.http import QuerySchema, check_filters, filters_of


class Filters(QuerySchema):
    label = fields.String()
    since = fields.Date(data_key="from")
    limit = fields.Integer()


def test_a_filter_without_a_condition_fails_at_import():
    check_filters(Filters, {"label": "", "from": ""})
    with pytest.raises(TypeError, match="from"):
        check_filters(Filters, {"label": ""})


def test_filters_are_the_query_without_paging():
    query = Filters().load({"label": "x", "from": "2024-05-01", "limit": 3})
    assert filters_of(query) == {"label": "x", "from": "2024-05-01"}

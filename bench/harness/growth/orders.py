"""A component that computes, beside one that gives back what it gets."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from harness.growth.group import Cases, Group, Row, Site
from harness.growth.warm import warm

ORDER = {
    "order_id": "A-1001",
    "currency": "EUR",
    "tax_rate": "0.19",
    "lines": [
        {"sku": "cup-stoneware-330", "quantity": 3, "unit_price": "4.95"},
        {"sku": "tea-assam-250g", "quantity": 1, "unit_price": "7.1250", "currency": "EUR"},
        {"sku": "kettle-steel-1l", "quantity": 1, "unit_price": "38.50"},
    ],
}


@contextmanager
def cases(site: Site) -> Iterator[Cases]:
    warm(site, "process_order", "echo", "thumbnail")
    given = ("--payload", site.file("order.json", json.dumps(ORDER)))
    yield {
        "echo": lambda: site.burn(site.warren(), site.tasks()),
        "echo-order": lambda: site.burn(site.warren(*given), site.tasks()),
        "process_order": lambda: site.burn(site.warren(*given, "--task", "process_order"), site.tasks()),
    }


ORDERS = Group(
    "orders",
    (
        Row("process_order, an order of three lines, beside echo of 70 bytes", "process_order", base="echo", least=0.8),
        Row("… beside echo of the same order", "process_order", base="echo-order"),
    ),
    cases,
)

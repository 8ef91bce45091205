"""The entities that init_stage_interface takes, and how each is written.

Source: WMS Cloud Integration API guide, "Init Stage Interface", for the entities;
the tags are those that public clients of the service send. Where the final rows and
the staged rows show up is read from clients that reconcile them.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Interface:
    """One entity of the legacy interface.

    Attributes:
        entity: Its name in the header of a document.
        list_tag: Element around the records.
        record_tag: Element of one record.
        key: Business key in a record.
        stage_entity: Where staged rows are listed.
        stage_key: The business key's name there.
        final_entity: Where processed rows end up.
        final_key: The business key's name there.
        header_tag: Element around the header's fields, where a record has details.
        detail_tag: Element of one detail; a column of that name holds the details.
        has_facility: Whether the business key is one of a facility: documents of two
            facilities may bear one number (WMS REST API Guide 25B, natural keys).
    """

    entity: str
    list_tag: str
    record_tag: str
    key: str
    stage_entity: str
    stage_key: str
    final_entity: str
    final_key: str
    header_tag: str = ""
    detail_tag: str = ""
    has_facility: bool = False


INTERFACES = {
    interface.entity: interface
    for interface in (
        Interface(
            "item",
            "ListOfItems",
            "item",
            "item_alternate_code",
            "stage_item",
            "item_alternate_code",
            "item",
            "item_alternate_code",
        ),
        Interface(
            "vendor",
            "ListOfVendors",
            "vendor",
            "vendor_code",
            "stage_vendor",
            "code",
            "vendor",
            "code",
        ),
        Interface(
            "store",
            "ListOfStores",
            "store",
            "facility_code",
            "stage_store",
            "code",
            "facility",
            "code",
        ),
        Interface(
            "site",
            "ListOfSites",
            "site",
            "facility_code",
            "stage_site",
            "code",
            "facility",
            "code",
        ),
        Interface(
            "purchase_order",
            "ListOfPurchaseOrders",
            "purchase_order",
            "po_nbr",
            "stage_purchase_order_hdr",
            "po_nbr",
            "purchase_order_hdr",
            "po_nbr",
            "purchase_order_hdr",
            "purchase_order_dtl",
            has_facility=True,
        ),
        Interface(
            "ib_shipment",
            "ListOfIbShipments",
            "ib_shipment",
            "shipment_nbr",
            "stage_ib_shipment",
            "shipment_nbr",
            "ib_shipment",
            "shipment_nbr",
            "ib_shipment_hdr",
            "ib_shipment_dtl",
            has_facility=True,
        ),
        Interface(
            "order",
            "ListOfOrders",
            "order",
            "order_nbr",
            "stage_order_hdr",
            "order_nbr",
            "order_hdr",
            "order_nbr",
            "order_hdr",
            "order_dtl",
            has_facility=True,
        ),
    )
}
# What streams are called that carry such records.
STREAM_NAMES = {
    **{name: name for name in INTERFACES},
    **{f"{name}s": name for name in INTERFACES},
}


def interface_of(entity: str) -> Interface | None:
    """The interface that an entity or a stream of that name is written through."""
    name = STREAM_NAMES.get(entity)
    return INTERFACES[name] if name else None

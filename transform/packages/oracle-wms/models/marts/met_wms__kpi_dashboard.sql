{%- set measures = {
  'total_orders': 'count',
  'open_orders': 'count',
  'shipped_orders': 'count',
  'cancelled_orders': 'count',
  'late_orders': 'count',
  'total_order_lines': 'count',
  'total_ordered_quantity': 'amount',
  'avg_fill_rate_percent': 'amount',
  'total_allocations': 'count',
  'total_allocated_quantity': 'amount',
  'total_picked_quantity': 'amount',
  'total_items': 'count',
  'unvalued_items': 'count',
  'critical_items': 'count',
  'total_on_hand_quantity': 'amount',
  'total_inventory_value': 'amount',
} -%}

{%- set categories = {
  'orders': {
    'from': ref('opr_wms__allocation_summary'),
    'total_orders': 'count(*)',
    'open_orders': 'sum(case when ' ~ is_true('is_shipped') ~ ' or '
      ~ is_true('is_cancelled') ~ ' then 0 else 1 end)',
    'shipped_orders': 'sum(case when ' ~ is_true('is_shipped') ~ ' then 1 else 0 end)',
    'cancelled_orders': 'sum(case when ' ~ is_true('is_cancelled')
      ~ ' then 1 else 0 end)',
    'late_orders': 'sum(case when ' ~ is_true('is_late') ~ ' then 1 else 0 end)',
    'total_order_lines': 'sum(line_count)',
    'total_ordered_quantity': 'sum(ordered_quantity)',
    'avg_fill_rate_percent': 'avg(case when ' ~ is_true('is_cancelled')
      ~ ' then null when allocation_percent > 100 then 100 else allocation_percent end)',
  },
  'allocations': {
    'from': ref('int_oracle_wms__allocations_resolved'),
    'total_allocations': 'count(*)',
    'total_allocated_quantity': 'sum(case when ' ~ is_true('is_cancelled')
      ~ ' then 0 else allocated_quantity end)',
    'total_picked_quantity': 'sum(case when ' ~ is_true('is_cancelled')
      ~ ' then 0 else picked_quantity end)',
  },
  'inventory': {
    'from': ref('ana_wms__inventory_analysis'),
    'total_items': 'count(*)',
    'unvalued_items': "sum(case when abc_classification = 'unvalued' then 1 else 0 end)",
    'critical_items': "sum(case when inventory_risk_level = 'critical' then 1 else 0 end)",
    'total_on_hand_quantity': 'sum(on_hand_quantity)',
    'total_inventory_value': 'sum(inventory_value)',
  },
} -%}

with figures as (

    {% for category, expressions in categories.items() -%}
    select
        facility_id,
        '{{ category }}' as kpi_category,
        {%- for name, kind in measures.items() %}
        {%- set expression = expressions.get(name, 'null') %}
        {{ as_count(expression) if kind == 'count' else as_amount(expression) }}
            as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ expressions['from'] }}
    group by facility_id
    {% if not loop.last %}
    union all

    {% endif %}
    {%- endfor %}

)

select
    {{ as_text(
        "coalesce(" ~ as_text('figures.facility_id') ~ ", 'none') || ':' || kpi_category"
    ) }} as kpi_id,
    figures.facility_id,

    {{ as_text('facilities.facility_code') }} as facility_code,
    {{ as_text('figures.kpi_category') }} as kpi_category,

    {% for name in measures -%}
    figures.{{ name }}{{ ',' if not loop.last }}
    {% endfor %}
from figures
left join {{ ref('stg_wms__facility') }} facilities
    on figures.facility_id = facilities.facility_id

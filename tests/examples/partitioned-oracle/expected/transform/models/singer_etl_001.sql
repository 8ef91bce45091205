-- A first version of singer_etl_001, written by flexcore-gen for pipeline
-- singer-etl-001. It is yours: change it as you like, generate leaves it alone.
{% if execute %}
{{ exceptions.raise_compiler_error("write model singer_etl_001: select from what pipeline singer-etl-001 landed") }}
{% endif %}
select 1 as not_written_yet

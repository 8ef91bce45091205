"""FlexCore: from one ecosystem.yaml to running Meltano pipelines."""

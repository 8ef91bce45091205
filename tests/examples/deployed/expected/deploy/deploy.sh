#!/bin/sh
# Deploys one environment: sh deploy/deploy.sh production
# CI calls it after the models were built. Add here how your CI gets at its cluster or
# host (a kubeconfig, a Docker context): none of that is known to the generator.
set -eu
environment=$1
cd "$(dirname "$0")/.."
found=0

folder=deploy/kubernetes/$environment
if [ -d "$folder" ]; then
  found=1
  kubectl apply -f "$folder/namespace.yaml" -f "$folder/network.yaml"
  # A Job cannot be changed, only made anew.
  kubectl delete --ignore-not-found -f "$folder/prepare.yaml"
  # CronJobs of pipelines that are no more go away with the rest of their files.
  kubectl apply -R -f "$folder" -l app.kubernetes.io/managed-by=flexcore-gen \
    --prune --prune-allowlist=batch/v1/CronJob
  kubectl wait --for=condition=complete --timeout=10m -f "$folder/prepare.yaml"
fi

folder=deploy/compose/$environment
if [ -d "$folder" ]; then
  found=1
  [ -d bundle ] || .venv/bin/flexcore-gen bundle
  docker compose -f "$folder/compose.yaml" up --build --detach --remove-orphans --wait
fi

folder=deploy/airflow/$environment
if [ -d "$folder" ]; then
  found=1
  : "${AIRFLOW_DAGS_FOLDER:?is not set: the folder from which Airflow reads DAGs}"
  new=$AIRFLOW_DAGS_FOLDER/.flexcore-$environment.new
  rm -rf "$new"
  cp -R "$folder" "$new"
  # The whole folder, so that DAGs of pipelines that are no more go away.
  rm -rf "$AIRFLOW_DAGS_FOLDER/flexcore-$environment"
  mv "$new" "$AIRFLOW_DAGS_FOLDER/flexcore-$environment"
fi

if [ "$found" = 0 ]; then
  echo "deploy.sh: nothing below deploy/ is for an environment called $environment" >&2
  exit 1
fi

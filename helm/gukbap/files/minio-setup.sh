#!/bin/sh
# Makes the bucket $BUCKET, keeps old versions of its objects for a time, and makes the user
# MINIO_ACCESS_KEY, who may use that bucket alone. To run it again changes nothing but the user's secret.
# Secrets go through standard input: arguments can be read by every process of the machine.
set -eu

tries=60
until printf '%s\n%s\n' "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD" | mc alias set admin "$MINIO_ENDPOINT"; do
  tries=$((tries - 1))
  if [ "$tries" -le 0 ]; then
    echo "MinIO does not answer at $MINIO_ENDPOINT: see the log of its pod" >&2
    exit 1
  fi
  sleep 5
done
mc mb --ignore-existing "admin/$BUCKET"
mc version enable "admin/$BUCKET"
mc ilm rule import "admin/$BUCKET" < /setup/lifecycle.json
mc admin policy create admin "$BUCKET" /setup/policy.json
printf '%s\n%s\n' "$MINIO_ACCESS_KEY" "$MINIO_SECRET_KEY" | mc admin user add admin
mc admin policy attach admin "$BUCKET" --user "$MINIO_ACCESS_KEY"

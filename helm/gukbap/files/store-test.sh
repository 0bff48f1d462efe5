#!/bin/sh
# Writes, reads and deletes an object of the bucket $BUCKET with the keys of runs.
# Secrets go through standard input: arguments can be read by every process of the machine.
set -eu

name="runs/$BUCKET/helm-test/$POD"
printf '%s\n%s\n' "$MINIO_ACCESS_KEY" "$MINIO_SECRET_KEY" | mc alias set runs "$MINIO_ENDPOINT"
echo "$POD" | mc pipe "$name"
if [ "$(mc cat "$name")" != "$POD" ]; then
  echo "what was read from $name is not what was written" >&2
  exit 1
fi
mc rm "$name"

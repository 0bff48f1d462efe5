#!/bin/sh
# Makes the bucket gukbap, keeps old versions of its objects for 30 days, and makes the user
# MINIO_ACCESS_KEY, who may use that bucket alone. To run it again changes nothing but the user's secret.
# Secrets go through standard input: arguments can be read by every process of the machine.
set -eu

printf '%s\n%s\n' "$MINIO_ROOT_USER" "$MINIO_ROOT_PASSWORD" | mc alias set admin http://minio:9000
mc mb --ignore-existing admin/gukbap
mc version enable admin/gukbap
mc ilm rule import admin/gukbap < /setup/lifecycle.json
mc admin policy create admin gukbap /setup/policy.json
printf '%s\n%s\n' "$MINIO_ACCESS_KEY" "$MINIO_SECRET_KEY" | mc admin user add admin
mc admin policy attach admin gukbap --user "$MINIO_ACCESS_KEY"

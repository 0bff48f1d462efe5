# MLflow's tracking server, with drivers of PostgreSQL and of S3.
#
#   python tools/build_images.py mlflow
ARG BUILD_IMAGE=python:3.11.14-bookworm
ARG BASE_IMAGE=python:3.11.14-slim-bookworm

FROM ${BUILD_IMAGE} AS needs
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ENV SOURCE_DATE_EPOCH=315532800 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY pyproject.toml constraints.txt docker/requirements.py ./
# pip installs from outside: the server has no use for it.
RUN python3 requirements.py mlflow > requirements.txt \
 && python3 -m venv --without-pip /opt/mlflow \
 && python3 -m pip --python /opt/mlflow/bin/python install --no-cache-dir \
      --constraint constraints.txt --requirement requirements.txt \
 && python3 -m pip --python /opt/mlflow/bin/python check \
 && find /opt/mlflow/lib/python3.*/site-packages -type d -name tests -prune -exec rm -r {} + \
 && find /opt/mlflow -exec touch --no-dereference --date=@${SOURCE_DATE_EPOCH} {} +

FROM ${BASE_IMAGE}
ARG BASE_IMAGE
COPY --from=needs /opt/mlflow /opt/mlflow
COPY docker/mlflow/health.py /opt/mlflow/
RUN useradd --uid 10001 --gid 0 --create-home mlflow \
 && mkdir /home/mlflow/data \
 && chown -R 10001:0 /home/mlflow \
 && chmod -R g=u /home/mlflow
# A database file and a folder by default, which a volume can keep; a server for many is told others.
ENV PATH=/opt/mlflow/bin:${PATH} \
    HOME=/home/mlflow \
    USER=mlflow \
    MLFLOW_BACKEND_STORE_URI=sqlite:////home/mlflow/data/mlflow.sqlite3 \
    MLFLOW_ARTIFACTS_DESTINATION=/home/mlflow/data/artifacts \
    MLFLOW_HEALTH_URL=http://127.0.0.1:5000 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /home/mlflow
# By number: Kubernetes checks runAsNonRoot without knowing the image's user names.
USER 10001:0
EXPOSE 5000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "/opt/mlflow/health.py"]
ENTRYPOINT ["mlflow"]
CMD ["server", "--host", "0.0.0.0", "--port", "5000"]
# Last, so that another commit with the same code changes no layer.
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gukbap-mlflow" \
      org.opencontainers.image.description="MLflow tracking server with drivers of PostgreSQL and S3" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"

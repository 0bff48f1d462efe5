# Steps without an accelerator: generate, dedup, split, judge, report.
#   docker build -f docker/cpu.Dockerfile -t gukbap/gukbap-cpu:VERSION .
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY components components
COPY pipelines pipelines
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM ${BASE_IMAGE}
ARG BASE_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gukbap-cpu" \
      org.opencontainers.image.description="gukbap: steps without an accelerator" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
COPY constraints.txt /tmp/install/
COPY --from=build /wheels /tmp/install
RUN set -- /tmp/install/gukbap-*.whl \
 && python -m pip install --no-cache-dir --constraint /tmp/install/constraints.txt "$1[kfp,tracking,local]" \
 && rm -r /tmp/install \
 && useradd --uid 10001 --gid 0 --create-home gukbap \
 && mkdir -p /home/gukbap/runs /home/gukbap/.cache/huggingface \
 && chown -R 10001:0 /home/gukbap \
 && chmod -R g=u /home/gukbap
ENV HOME=/home/gukbap \
    HF_HOME=/home/gukbap/.cache/huggingface \
    PYTHONUNBUFFERED=1
WORKDIR /home/gukbap
# By number: Kubernetes checks runAsNonRoot without knowing the image's user names.
USER 10001
ENTRYPOINT ["gukbap"]
CMD ["--help"]

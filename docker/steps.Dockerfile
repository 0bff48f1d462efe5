# The images that the pipeline's steps run in, told apart by IMAGE (docker/requirements.py):
#   cpu     steps without an accelerator: generate, clean, dedup, split, judge, report, promote
#   train   training, and the whole pipeline in one container. torch brings its own CUDA libraries and
#           its own FlashAttention kernels: a GPU node needs the driver and the container toolkit alone.
#
#   python tools/build_images.py cpu train
ARG BUILD_IMAGE=python:3.11.14-bookworm
ARG BASE_IMAGE=python:3.11.14-slim-bookworm

# What the project needs has a layer of its own: a change of the project's code leaves it as it is.
FROM ${BUILD_IMAGE} AS needs
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ARG IMAGE=cpu
# A constant time makes wheels and byte code the same in every build; wheels know none before 1980.
ENV SOURCE_DATE_EPOCH=315532800 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python3 -m venv /opt/gukbap \
 && /opt/gukbap/bin/python -m pip uninstall --yes setuptools
COPY pyproject.toml constraints.txt docker/requirements.py ./
RUN python3 requirements.py "${IMAGE}" > requirements.txt \
 && /opt/gukbap/bin/python -m pip install --no-cache-dir \
      --constraint constraints.txt --requirement requirements.txt
# Tests, headers and debug symbols of what was installed: over a fifth of it, and of no use here.
RUN find /opt/gukbap/lib/python3.*/site-packages -type d -name tests -prune -exec rm -r {} + \
 && rm -rf /opt/gukbap/lib/python3.*/site-packages/torch/test \
      /opt/gukbap/lib/python3.*/site-packages/torch/include \
      /opt/gukbap/lib/python3.*/site-packages/torch/bin/test_* \
      /opt/gukbap/lib/python3.*/site-packages/torch/bin/protoc* \
 && strip --strip-debug /opt/gukbap/lib/python3.*/site-packages/xllamacpp/*.so \
 && find /opt/gukbap -exec touch --no-dereference --date=@${SOURCE_DATE_EPOCH} {} +

FROM needs AS project
COPY README.md LICENSE ./
COPY tools/kernels.py tools/
COPY src src
COPY components components
COPY pipelines pipelines
RUN python3 -m pip wheel --no-cache-dir --no-deps --wheel-dir wheels . \
 && /opt/gukbap/bin/python -m pip install --no-cache-dir --no-deps --root /project wheels/gukbap-*.whl \
 && find /project -exec touch --no-dereference --date=@${SOURCE_DATE_EPOCH} {} +

FROM ${BASE_IMAGE}
ARG BASE_IMAGE
ARG IMAGE=cpu
COPY --from=needs /opt/gukbap /opt/gukbap
COPY --from=project /project /
RUN /opt/gukbap/bin/python -m pip check \
 && useradd --uid 10001 --gid 0 --create-home gukbap \
 && mkdir -p /home/gukbap/runs /home/gukbap/.cache/huggingface \
 && chown -R 10001:0 /home/gukbap \
 && chmod -R g=u /home/gukbap
# USER: an arbitrary user number has no name in the image, and some libraries ask for one.
ENV PATH=/opt/gukbap/bin:${PATH} \
    HOME=/home/gukbap \
    USER=gukbap \
    HF_HOME=/home/gukbap/.cache/huggingface \
    MPLCONFIGDIR=/home/gukbap/.cache/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /home/gukbap
# By number: Kubernetes checks runAsNonRoot without knowing the image's user names.
USER 10001:0
ENTRYPOINT ["gukbap"]
CMD ["--help"]
# Last, so that another commit with the same code changes no layer.
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gukbap-${IMAGE}" \
      org.opencontainers.image.description="gukbap: steps of the pipeline (${IMAGE})" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"

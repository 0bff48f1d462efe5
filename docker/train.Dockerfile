# Training, and the whole pipeline in one container. torch brings its own CUDA libraries: a GPU node
# needs the driver and the container toolkit alone.
#   python tools/build_images.py train
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
RUN python -c "import sys, tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
      extras = [need for name in sys.argv[1:] for need in project['optional-dependencies'][name]]; \
      print(*project['dependencies'], *extras, sep='\n')" train kfp tracking local > /requirements.txt
COPY src src
COPY components components
COPY pipelines pipelines
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM ${BASE_IMAGE}
ARG BASE_IMAGE
# What the project needs has a layer of its own: a change of the project's code leaves it as it is.
COPY constraints.txt /tmp/needs/
COPY --from=build /requirements.txt /tmp/needs/
RUN python -m pip install --no-cache-dir --constraint /tmp/needs/constraints.txt \
      --requirement /tmp/needs/requirements.txt
COPY --from=build /wheels /tmp/install
RUN python -m pip install --no-cache-dir --no-deps /tmp/install/gukbap-*.whl \
 && python -m pip check \
 && rm -r /tmp/needs /tmp/install \
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
# Last, so that another commit with the same code changes no layer.
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gukbap-train" \
      org.opencontainers.image.description="gukbap: training with torch and accelerate" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"

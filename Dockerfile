# One file for every service: docker build --build-arg SERVICE=orders .
# What changes seldom comes first: a change of code makes only the last layer again.
ARG PYTHON=python:3.13-slim

# Everything that the services need from others, from wheels whose hashes are locked.
FROM ${PYTHON} AS dependencies
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
COPY requirements-bootstrap.txt requirements-services.lock /build/
RUN python -m venv /build/tools \
 && /build/tools/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /build/requirements-bootstrap.txt \
 && python -m venv --without-pip /opt/tallystick \
 && /build/tools/bin/uv pip install --no-cache --python /opt/tallystick/bin/python --require-hashes --only-binary :all: \
      -r /build/requirements-services.lock

# Our own code: the libraries and one service.
FROM dependencies AS code
ARG SERVICE
COPY libs /build/libs
COPY services/${SERVICE} /build/services/${SERVICE}
RUN /build/tools/bin/uv pip install --no-cache --python /opt/tallystick/bin/python --no-deps --no-sources --no-build-isolation --prefix /code \
      /build/libs/tallystick /build/libs/contracts /build/libs/platform /build/services/${SERVICE} \
 && rm -f /code/.lock

FROM ${PYTHON}
ENV PATH=/opt/tallystick/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=dependencies /opt/tallystick /opt/tallystick
COPY --from=code /code /opt/tallystick
USER 10001:10001
ENTRYPOINT ["tally"]
CMD ["--help"]
ARG SERVICE
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tallystick-${SERVICE}" \
      org.opencontainers.image.description="The ${SERVICE} service of Tallystick" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

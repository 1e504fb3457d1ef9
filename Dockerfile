# One image, several commands: docker-compose.yml names one per process.
ARG PYTHON_IMAGE=python:3.13-slim
FROM $PYTHON_IMAGE

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PATH=/venv/bin:$PATH
WORKDIR /app

# The locked versions first: they change less often than the code.
COPY requirements.lock ./
RUN python3 -m venv /venv && pip install --require-hashes -r requirements.lock

COPY incidentwire incidentwire
COPY services services
COPY cli cli
RUN python3 -m compileall -q incidentwire services cli \
    && printf '#!/bin/sh\nexec python3 -m cli "$@"\n' > /venv/bin/incidentwire && chmod 755 /venv/bin/incidentwire \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin incidentwire \
    && mkdir /data && chown incidentwire /data && chmod 700 /data

ARG VERSION=local
LABEL org.opencontainers.image.title=incidentwire \
      org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.licenses=Apache-2.0

USER incidentwire
VOLUME /data
CMD ["incidentwire", "--help"]

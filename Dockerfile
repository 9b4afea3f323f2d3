# The image of rxp-worker: its program, the libraries that it needs and the authorities of TLS, and nothing beside them: no
# shell, no package manager. What it says to scanners is in deploy/image-root.sh.
#
#     docker build -t rxp-worker --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" .

# Libraries first and sources last: a change to the sources builds only what comes after them.
FROM debian:trixie-slim AS libraries
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates librdkafka1 libcurl4t64 libcjson1 libmicrohttpd12t64
COPY deploy/image-root.sh /
RUN sh /image-root.sh /image ca-certificates librdkafka1 libcurl4t64 libcjson1 libmicrohttpd12t64

FROM debian:trixie-slim AS program
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev cmake ninja-build pkg-config \
      librdkafka-dev libcurl4-openssl-dev libcjson-dev libmicrohttpd-dev
WORKDIR /source
COPY CMakeLists.txt CMakePresets.json ./
COPY protocol protocol
COPY worker worker
RUN cmake --preset release -B /build && cmake --build /build && cmake --install /build --prefix /out --strip

FROM scratch
COPY --from=libraries /image /
COPY --from=program /out/bin/rxp-worker /usr/local/bin/rxp-worker
ENV PATH=/usr/local/bin RXP_ADMIN_LISTEN=0.0.0.0:9464
USER 65532:65532
# A library that is missing stops the build, not the first start.
RUN ["rxp-worker", "--version"]
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["rxp-worker", "health"]
ENTRYPOINT ["rxp-worker"]
CMD ["run"]
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="rxp-worker" \
      org.opencontainers.image.description="Drives long-running HTTP jobs from a Kafka topic" \
      org.opencontainers.image.base.name="debian:trixie-slim" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

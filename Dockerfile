FROM debian:trixie-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev cmake ninja-build pkg-config \
      librdkafka-dev libcurl4-openssl-dev libcjson-dev libmicrohttpd-dev \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cmake --preset release -B /build && cmake --build /build && cmake --install /build --prefix /out --strip

FROM debian:trixie-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates librdkafka1 libcurl4t64 libcjson1 libmicrohttpd12t64 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/bin/rxp-worker /usr/local/bin/rxp-worker
USER 65534:65534
ENTRYPOINT ["rxp-worker"]
CMD ["run"]

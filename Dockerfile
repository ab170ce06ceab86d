# Two stages: the first builds with the whole toolchain, the second holds the program and what it needs to run.
FROM rust:1.95-slim-bookworm AS build
# the allocator is written in C, and is built with make, of which any version will do; and the folder is where the state may be kept
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/* && mkdir /state
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY config config
COPY src src
COPY benches benches
RUN cargo build --profile dist --locked --features shared

# glibc, the certificates that calls to sources are checked against, and no shell
FROM gcr.io/distroless/cc-debian12:nonroot
ARG VERSION=""
ARG REVISION=""
ARG CREATED=""
LABEL org.opencontainers.image.title="quotefold" \
      org.opencontainers.image.description="Folds many price quotes into one price, and shows the proof" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"
COPY --from=build /build/target/dist/quotefold /usr/local/bin/quotefold
# a volume that is mounted there takes over whose it is
COPY --from=build --chown=65532:65532 /state /var/lib/quotefold
# also named by number, because some clusters refuse a user that they cannot tell from root
USER 65532:65532
ENV QUOTEFOLD_SERVER__LISTEN=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s --retries=3 CMD ["quotefold", "health", "--live"]
ENTRYPOINT ["quotefold"]
CMD ["serve"]

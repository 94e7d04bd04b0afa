# The image of `make image`, for those who build with a daemon: one static program, whom it
# trusts, and nothing else. A test compares the two (hack/image).
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false \
      -ldflags "-s -w -X github.com/gatehouse-dev/gatehouse/internal/cli.version=${VERSION}" -o /gatehouse . \
 && mkdir -p /image/etc/ssl/certs /image/usr/local/bin /image/var/lib/gatehouse \
 && mkdir -m 1777 /image/tmp \
 && mv /gatehouse /image/usr/local/bin/gatehouse \
 && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
 && printf 'root:x:0:\ngatehouse:x:65532:\n' > /image/etc/group \
 && printf 'root:x:0:0:root:/:/sbin/nologin\ngatehouse:x:65532:65532:gatehouse:/var/lib/gatehouse:/sbin/nologin\n' > /image/etc/passwd \
 && chmod 700 /image/var/lib/gatehouse && chown 65532:65532 /image/var/lib/gatehouse

FROM scratch
COPY --from=build /image /
ENV PATH=/usr/local/bin HOME=/var/lib/gatehouse GATEHOUSE_DATA_DIR=/var/lib/gatehouse/data
WORKDIR /var/lib/gatehouse
USER 65532:65532
EXPOSE 8080/tcp 8081/tcp
ENTRYPOINT ["/usr/local/bin/gatehouse"]

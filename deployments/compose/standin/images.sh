# shellcheck shell=bash
# The images that docker-compose.yml names, made on this machine. To be sourced, beside engine.sh.

standin_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# standin_images ROOT CACHE: makes each image under the name that the tree gives it, and prints NAME=SIZE. CACHE
# keeps what was fetched. Builds stand in the host's network, since the engine has none of its own. False where one
# could not be made.
standin_images() {
    local root=$1 cache=$2 base taosink kafka tdengine
    base=python:$(sed -n 's/^ARG PYTHON=//p' "$root/deployments/docker/Dockerfile")
    taosink=$(_default_of "$root" IMAGE)
    kafka=apache/kafka:$(_default_of "$root" KAFKA_TAG)
    tdengine=$(_default_of "$root" TDENGINE_IMAGE)
    _base "$base" "$cache/base.tar" &&
        _build "$taosink" -f "$root/deployments/docker/Dockerfile" "$root" &&
        _kafka "$kafka" "$base" "$cache" &&
        _build "$tdengine" --build-arg "TAOSINK=$taosink" "$standin_dir/tdengine"
}

# The default that docker-compose.yml gives a variable.
_default_of() { sed -n "s/.*\${$2:-\([^}]*\)}.*/\1/p" "$1/docker-compose.yml" | head -n 1; }

_say_size() {
    printf '%s=%s MB\n' "$1" "$(docker image inspect -f '{{.Size}}' "$1" | awk '{printf "%.0f", $1 / 1000000}')"
}

_build() {
    local name=$1 log
    shift
    if ! log=$(docker build --network host -t "$name" "$@" 2>&1); then
        tail -n 30 <<<"$log" >&2
        return 1
    fi
    _say_size "$name"
}

# Debian's Python under the name of the official image. Fetches packages by apt alone.
_base() {
    local name=$1 tar=$2 sources=/etc/apt/sources.list.d/debian.sources
    local authorities=/etc/ssl/certs/ca-certificates.crt
    [ -f "$sources" ] || sources=/etc/apt/sources.list
    # Without documents and languages, as slim images are. Whom this machine trusts, its image trusts: pip may have
    # to go through a proxy with an authority of its own.
    # Every step says by itself that it failed: `set -e` does not count where a caller asks for success.
    [ -s "$tar" ] || mmdebstrap --quiet --variant=minbase \
        --include=ca-certificates,python3,python3-venv,python3-pip \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
        --customize-hook="copy-in $authorities /etc/ssl/certs" \
        bookworm "$tar" "$sources" >&2 || { rm -f "$tar"; return 1; }
    docker import -c "ENV PIP_CERT=$authorities SSL_CERT_FILE=$authorities" -c 'CMD ["python3"]' "$tar" "$name" \
        >/dev/null || return 1
    _say_size "$name"
}

_kafka() {
    local name=$1 base=$2 libs=$3/${1##*:} context=$3/kafka-image
    if [ ! -d "$libs" ]; then
        rm -rf "$libs.partial"
        mvn -B -q -f "$standin_dir/kafka/pom.xml" -Dkafka.version="${name##*:}" dependency:copy-dependencies \
            -DincludeScope=runtime -DoutputDirectory="$libs.partial" >&2 || return 1
        mv "$libs.partial" "$libs"
    fi
    rm -rf "$context"
    mkdir -p "$context"
    cp -a "$standin_dir/kafka/." "$context/"
    cp -a "$libs" "$context/libs"
    _build "$name" --build-arg "BASE=$base" "$context" || return 1
    rm -rf "$context"
}

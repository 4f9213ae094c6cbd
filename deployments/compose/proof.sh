#!/usr/bin/env bash
# Runs docker-compose.yml as it stands, on an engine of its own and with images made on this machine, and ends with
# an audit of every record. What it shows and what it does not: see --help.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)

usage() {
    cat <<'TEXT'
Usage: proof.sh [--records N] [--rate N] [--consumers N] [--report FILE] [--logs DIR] [--cache DIR] [--compose PATH]

Runs the docker-compose.yml of this tree, unchanged, where no registry of images can be reached:

  1. starts a Docker engine of its own in a temporary directory (no bridge, no iptables, no forwarding)
  2. makes the images that the file names:
       python       Debian's Python (mmdebstrap), in the place of the official base of our Dockerfile
       taosink      from deployments/docker/Dockerfile, unchanged
       apache/kafka Apache Kafka's jars (Maven) on Debian's Java
       tdengine     NOT TDengine: taosink's embedded database, which speaks TDengine's REST protocol
  3. `up -d --scale consumer=N` from nothing; N records are produced meanwhile
  4. `stop` of everything in mid-run: each consumer has to drain and end with exit code 0; then `start`
  5. `docker kill` of one consumer: the others have to take over its partitions
  6. 1,000 readings through the gateway, with tokens, acknowledged when the database has them
  7. waits until nothing waits in Kafka, then `taosink audit`: lost has to be 0
  8. ends the engine with all that is in it, and checks that the host is as it was

It proves the file, the image, the start order, scaling, draining and the account. It proves nothing of the
official images of Kafka and TDengine, which it does not have.

  --records N     records that the simulator produces (500000)
  --rate N        of them a second (12000)
  --consumers N   consumers (3)
  --report FILE   the verdict as JSON
  --logs DIR      keep each service's log there
  --cache DIR     keep the base system and Kafka's jars there, for the next run
  --compose PATH  docker-compose 1.29 (the default) or Compose v2's own program

Needs root, dockerd, a docker client, docker-compose, mmdebstrap, mvn, python3. Exit code: 0 where all of it holds.
TEXT
}

records=500000 rate=12000 consumers=3 report="" logs="" cache="" compose_program=docker-compose
wrong() { echo "proof.sh: $*; see --help" >&2; exit 2; }
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --*) [ $# -gt 1 ] || wrong "$1 needs a value" ;;
    esac
    case $1 in
        --records) records=$2 ;;
        --rate) rate=$2 ;;
        --consumers) consumers=$2 ;;
        --report) report=$(realpath -m "$2") ;;
        --logs) logs=$(realpath -m "$2") ;;
        --cache) cache=$(realpath -m "$2") ;;
        --compose) compose_program=$2 ;;
        *) wrong "$1 is no option of it" ;;
    esac
    shift 2
done
for number in "--records $records" "--rate $rate" "--consumers $consumers"; do
    [[ $number =~ \ [1-9][0-9]*$ ]] || wrong "${number% *} takes a number above 0"
done

for need in dockerd docker "$compose_program" mmdebstrap mvn python3 ip; do
    command -v "$need" >/dev/null || { echo "proof.sh: $need is not on PATH; see --help" >&2; exit 1; }
done
[ "$(id -u)" = 0 ] || { echo "proof.sh: an engine needs root" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/taosink-proof.XXXXXX")
cache=${cache:-$work/cache}
facts=$work/facts
mkdir -p "$cache"
: > "$facts"
begun=$SECONDS
# shellcheck disable=SC2034 # engine.sh's
engine_dir=$work/engine
# shellcheck source=SCRIPTDIR/engine.sh
. "$here/engine.sh"
# shellcheck source=SCRIPTDIR/standin/images.sh
. "$here/standin/images.sh"

say() { printf '%5d s  %s\n' "$((SECONDS - begun))" "$*"; }
fact() { printf '%s\t%s\n' "$1" "$2" >> "$facts"; } # fact NAME VALUE: for the report
fail() { say "FAILED: $*"; fact failed "$*"; exit 1; }

# Compose, on our engine alone, with none of the caller's variables and none of the tree's .env.
compose() {
    env -i PATH="$PATH" HOME="$work" DOCKER_HOST="unix://$engine_dir/docker.sock" DOCKER_CONFIG="$work/docker" \
        "$compose_program" --project-name taosink-proof --env-file "$work/env" \
        --project-directory "$root" -f "$root/docker-compose.yml" "$@"
}

keep_logs() {
    [ -n "$logs" ] || return 0
    mkdir -p "$logs"
    local container
    for container in $(docker ps -aq 2>/dev/null); do
        docker logs "$container" > "$logs/$(docker inspect -f '{{.Name}}' "$container" | tr -d /).log" 2>&1 || true
    done
}

finish() {
    local code=$?
    trap - EXIT
    trap '' INT TERM
    keep_logs
    say "taking everything away again"
    compose down -v --remove-orphans --timeout 5 >/dev/null 2>&1 || true
    local left
    left=$(engine_stop 2>&1) || true
    if [ -n "$left" ]; then
        say "the host is not as it was: $left"
        fact host_as_before false
        code=1
    else
        say "no engine, no container, no network is left; forwarding and iptables are as they were"
        fact host_as_before true
    fi
    fact seconds "$((SECONDS - begun))"
    fact exit_code "$code"
    if [ -n "$report" ]; then
        python3 "$here/report.py" "$facts" > "$report" && say "report: $report"
    fi
    rm -rf "$work"
    if [ "$code" = 0 ]; then say "PROVEN"; else say "NOT PROVEN (exit code $code)"; fi
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

# The ids of the consumers' containers, those of `compose run` left out.
consumer_ids() { compose ps -q consumer; }
state_of() { docker inspect -f "$2" "$1"; }

# account FIELD: committed or lag, over all partitions; empty where nothing answers at the moment.
account() {
    local container
    for container in $(consumer_ids); do
        [ "$(state_of "$container" '{{.State.Running}}')" = true ] || continue
        docker exec "$container" taosink offsets show --json 2>/dev/null | python3 "$here/report.py" --offsets "$1" && return
    done
    return 0
}

# until_true SECONDS WHAT COMMAND...: fails the proof where the command is not true in time.
until_true() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "not in time: $what"
        sleep 1
    done
}

all_healthy() {
    local container
    for container in $(consumer_ids); do
        [ "$(state_of "$container" '{{.State.Health.Status}}')" = healthy ] || return 1
    done
}
stored_at_least() {
    stored=$(account committed)
    [ "${stored:-0}" -ge "$1" ]
}
producer_ended() { [ "$(state_of "$producer" '{{.State.Status}}')" = exited ]; }
nothing_waits() { [ "$(account lag)" = 0 ]; }

free_number() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# The .env of this run: free numbers on the host, what the simulator sends, and consumers that are slower than it,
# with full queues, so that what is done in mid-run is done in mid-run.
settle() {
    local each=$((rate * 3 / 4 / consumers + 4))
    ingress_http=$(free_number)
    cat > "$work/env" <<ENV
KAFKA_HOST_PORT=$(free_number)
INGRESS_TCP=127.0.0.1:$(free_number)
INGRESS_HTTP=127.0.0.1:$ingress_http
INGRESS_ADMIN=$(free_number)
PRODUCERS=0
TAOSINK_RECORDS=$records
TAOSINK_RATE=$rate
TAOSINK_WRITE_MAX_ROWS_PER_SECOND=$each
QUEUE_MIN_BATCH_SIZE=$((each / 4))
QUEUE_MAX_BATCH_SIZE=$((each / 2))
QUEUE_MAX_QUEUE_SIZE=$((each * 5))
ENV
}

make_images() {
    local image size
    standin_images "$root" "$cache" > "$work/images" || fail "the images"
    while IFS='=' read -r image size; do
        say "image $image: $size"
        fact "image $image" "$size"
    done < "$work/images"
    say "NOTE: the image of TDengine is taosink's embedded database; nothing here proves TDengine itself"
    fact database "taosink's embedded database, in TDengine's place"
}

begin() {
    say "up -d --scale consumer=$consumers, from nothing"
    local from=$SECONDS
    compose up -d --no-build --scale "consumer=$consumers" >"$work/up.log" 2>&1 || {
        tail -n 30 "$work/up.log"
        fail "up"
    }
    until_true 180 "every consumer healthy" all_healthy
    say "up, and $consumers consumers healthy, after $((SECONDS - from)) s"
    fact up_seconds "$((SECONDS - from))"
    [ "$(consumer_ids | wc -w)" = "$consumers" ] || fail "there are $(consumer_ids | wc -w) consumers"
    say "producing $records records, $rate a second"
    producer=$(compose run -d --no-deps producer 2>/dev/null | tail -n 1)
}

stop_and_start() {
    until_true 300 "30 % stored" stored_at_least "$((records * 3 / 10))"
    [ "$stored" -lt "$records" ] || fail "everything was stored before the stop"
    say "$stored records stored: stop"
    fact stored_at_stop "$stored"
    local from=$SECONDS container code drained=0
    compose stop >"$work/stop.log" 2>&1 || { cat "$work/stop.log"; fail "stop"; }
    say "stopped after $((SECONDS - from)) s"
    fact stop_seconds "$((SECONDS - from))"
    for container in $(docker ps -aq -f label=com.docker.compose.service=consumer); do
        code=$(state_of "$container" '{{.State.ExitCode}}')
        docker logs "$container" >"$work/log" 2>&1
        grep -q '"consumer\.drained"' "$work/log" && drained=$((drained + 1))
        [ "$code" = 0 ] || fail "consumer $container ended with exit code $code"
    done
    say "$drained of $consumers consumers logged consumer.drained, all of them ended with exit code 0"
    fact drained "$drained"
    [ "$drained" = "$consumers" ] || fail "not every consumer drained"
    say "start"
    from=$SECONDS
    compose start >"$work/start.log" 2>&1 || { cat "$work/start.log"; fail "start"; }
    say "started after $((SECONDS - from)) s"
    fact start_seconds "$((SECONDS - from))"
}

kill_one() {
    until_true 300 "60 % stored" stored_at_least "$((records * 6 / 10))"
    [ "$stored" -lt "$records" ] || fail "everything was stored before a consumer could be killed"
    local victim
    victim=$(consumer_ids | head -n 1)
    docker kill "$victim" >/dev/null
    say "$stored records stored: docker kill of ${victim:0:12}, exit code $(state_of "$victim" '{{.State.ExitCode}}')"
    fact stored_at_kill "$stored"
}

through_the_gateway() {
    until_true 600 "the simulator's end" producer_ended
    local code
    code=$(state_of "$producer" '{{.State.ExitCode}}')
    say "the simulator ended with exit code $code: $(docker logs "$producer" 2>&1 | tail -n 1)"
    [ "$code" = 0 ] || fail "the simulator"
    [ "$(curl_code "http://127.0.0.1:$ingress_http/")" = 200 ] || fail "the gateway's page on the host"
    compose run --rm --no-deps ingress producer --through tcp://ingress:3000 \
        --through-key-file /var/lib/taosink/token-keys --through-ack stored \
        --shape demo --records 1000 --sim.tables 20 --sim.table-prefix gw >"$work/gateway.log" 2>&1 ||
        { tail -n 20 "$work/gateway.log"; fail "readings through the gateway"; }
    say "1,000 readings through the gateway, each acknowledged as stored"
    fact through_gateway 1000
}

curl_code() { python3 -c 'import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).status)' "$1"; }

# What the head of docker-compose.yml tells operators to run.
operators_commands() {
    local made
    made=$(compose run --rm --no-deps ingress token --device pump-7 --expires 30d 2>"$work/token.log" | tr -d '\r\n')
    [ "${#made}" -gt 40 ] || { cat "$work/token.log"; fail "a token for a device"; }
    made=$(compose run --rm keys 'cat status-token' 2>/dev/null | tr -d '\r\n')
    [ "${#made}" -ge 16 ] || fail "the operators' token"
    say "a token for a device, and the operators' own, are there"
    compose run --rm --no-deps consumer doctor 2>/dev/null | sed 's/^/         /' || true
}

audit() {
    until_true 600 "nothing waits in Kafka" nothing_waits
    say "nothing waits in Kafka; audit of all that Kafka holds"
    local code=0
    compose run --rm --no-deps consumer audit --to end --json >"$work/audit.json" 2>"$work/audit.log" || code=$?
    compose run --rm --no-deps consumer audit --to end 2>/dev/null | sed 's/^/         /' || true
    fact audit_exit_code "$code"
    fact audit "$(python3 "$here/report.py" --audit < "$work/audit.json")"
    [ "$code" = 0 ] || { tail -n 20 "$work/audit.log"; fail "the audit's exit code is $code"; }
    python3 "$here/report.py" --account "$((records + 1000))" < "$work/audit.json" || fail "the account"
}

say "engine in $engine_dir, of its own"
engine_start || fail "engine"
settle
make_images
begin
stop_and_start
kill_one
through_the_gateway
operators_commands
audit

# shellcheck shell=bash
# A Docker engine of its own, in a directory of its own. To be sourced; `engine_dir` is where it lives.
#
# It has no default bridge, writes no rule of iptables and turns no forwarding on: containers of one network reach
# each other, and the host reaches their published ports, but no container reaches beyond. Nothing of another
# engine is asked, used or stopped.

# Whatever engine the caller's own client is set to, it is not meant here.
unset DOCKER_HOST DOCKER_CONTEXT

# The host's state that an engine could change; two calls that print the same found nothing changed.
host_state() {
    cat /proc/sys/net/ipv4/ip_forward
    ip -o link show | sed 's/^[0-9]*: \([^:@]*\).*/\1/' | sort
    iptables-save 2>/dev/null | grep -v -e '^#' -e '^:' || true
    iptables -S 2>/dev/null | grep '^-P' || true
}

# shellcheck disable=SC2154 # who sources this says where
docker() { command docker -H "unix://$engine_dir/docker.sock" "$@"; }

engine_start() {
    mkdir -p "$engine_dir"
    host_before=$(host_state)
    # In a session of its own: Ctrl-C is for the script, which then ends the engine in order.
    setsid dockerd -H "unix://$engine_dir/docker.sock" --data-root "$engine_dir/data" --exec-root "$engine_dir/exec" \
        --pidfile "$engine_dir/pid" --bridge none --iptables=false --ip6tables=false --ip-forward=false \
        --default-address-pool base=172.29.128.0/17,size=24 --cgroup-parent "/$(basename "$engine_dir")" \
        --storage-driver overlay2 >"$engine_dir/log" 2>&1 &
    engine_pid=$!
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        if [ "$(docker info -f '{{.DockerRootDir}}' 2>/dev/null)" = "$engine_dir/data" ]; then
            return 0
        fi
        kill -0 "$engine_pid" 2>/dev/null || break
        sleep 0.2
    done
    echo "the engine did not start; its log ends:" >&2
    tail -n 20 "$engine_dir/log" >&2
    return 1
}

# Ends the engine with all that runs in it, and takes away what it leaves behind. Prints what could not be undone.
engine_stop() {
    [ -n "${engine_pid:-}" ] || return 0
    local found
    found=$(docker ps -aq 2>/dev/null) || found=""
    # shellcheck disable=SC2086 # a word for each container
    [ -z "$found" ] || docker rm -f $found >/dev/null 2>&1 || true
    docker network prune -f >/dev/null 2>&1 || true
    kill -TERM "$engine_pid" 2>/dev/null || true
    wait "$engine_pid" 2>/dev/null || true
    engine_pid=""
    local mount
    while read -r mount; do
        umount "$mount" 2>/dev/null || true
    done < <(awk -v dir="$engine_dir/" 'index($2, dir) == 1 {print $2}' /proc/mounts | sort -r)
    find /sys/fs/cgroup -depth -type d -path "*/$(basename "$engine_dir")*" -exec rmdir {} + 2>/dev/null || true
    rm -rf "$engine_dir"
    [ "$(host_state)" = "$host_before" ] || {
        echo "the host is not as it was; before (<) and now (>):"
        diff <(echo "$host_before") <(host_state) || true
    } >&2
}

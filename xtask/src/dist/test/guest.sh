# What has to hold of the packages in /packages, in a Debian with systemd that nothing else happens in. Each line of
# output is a check that holds, or one that fails.
set -u

holds() { echo "holds: $1"; }
fails() {
    echo "fails: $1"
    # Why, for whoever looks.
    tail -n 20 /packages/said | sed 's/^/    /'
}
# check NAME COMMAND...: it succeeds.
check() {
    name=$1
    shift
    if "$@" >/packages/said 2>&1; then holds "$name"; else fails "$name"; fi
}
# quiet NAME COMMAND...: it succeeds, and has nothing to say.
quiet() {
    name=$1
    shift
    if "$@" >/packages/said 2>&1 && ! [ -s /packages/said ]; then holds "$name"; else fails "$name"; fi
}
# wait_for NAME COMMAND...: it comes to succeed.
wait_for() {
    name=$1
    shift
    tries=0
    until "$@" >/packages/said 2>&1; do
        tries=$((tries + 1))
        if [ $tries -gt 300 ]; then
            journalctl -u ftpwatch -o cat -n 20 >>/packages/said 2>&1
            fails "$name"
            return
        fi
        sleep 0.1
    done
    holds "$name"
}

# All that is there, but for what any package's installation leaves: logs and caches of apt, dpkg and man, and copies of
# the list of users.
list() {
    find / -xdev \( -path /packages -o -path /tmp -o -path '/var/log/apt' -o -path '/var/log/journal' \
        -o -path /var/cache/man -o -path /var/cache/apt -o -path /var/lib/apt -o -path /var/cache/debconf \
        -o -path '/var/lib/dpkg/*-old' -o -path /var/lib/dpkg/status -o -path '/var/lib/dpkg/lock*' \
        -o -path /var/lib/dpkg/triggers -o -path '/var/log/dpkg.log' -o -path '/var/lib/systemd/timers' \
        -o -path '/etc/*-' -o -path /etc/.pwd.lock -o -path '/var/lib/logrotate' -o -path '/srv/*' \
        -o -path /var/lib/systemd/catalog \) -prune -o -type f -path '/etc/*' -exec md5sum {} + -o -printf '%p %M %u:%g\n' |
        sort
    getent passwd
    getent group
    ls -A /sys/fs/bpf
}

apt() { apt-get -qq -o Dpkg::Use-Pty=0 --yes --no-install-recommends "$@"; }

# A server with an FTP server on it, and a client.
ip link set lo up
ip netns add client
ip link add eth0 type veth peer name eth0 netns client
ip address add 10.0.0.1/24 dev eth0
ip link set eth0 up
ip -n client address add 10.0.0.2/24 dev eth0
ip -n client link set eth0 up
printf '%s\n' listen=YES listen_ipv6=NO anonymous_enable=YES seccomp_sandbox=NO >/etc/vsftpd.conf
systemctl restart vsftpd
client() { ip netns exec client "$@"; }
transfer() { client curl --silent --show-error --max-time 20 --disable-epsv ftp://10.0.0.1/; }
events() { journalctl -u ftpwatch -o cat; }
# outcomes PORT [OUTCOME]: of the endpoint with that port, how many there are.
outcomes() { events | grep '"event_type":"outcome"' | grep "\"advertised\":{\"ip\":\"10.0.0.1\",\"port\":$1}" | grep -c "\"outcome\":\"${2:-}"; }
connected() { events | grep -c '"event_type":"outcome","outcome":"connected"'; }
connected_is() { [ "$(connected)" = "$1" ]; }
not() { ! "$@"; }
is() { [ "$1" = "$2" ]; }

check "there is no Rust here" not sh -c 'command -v cargo || command -v rustc'
list >/packages/before

check "install" apt install /packages/old.deb
check "the service is enabled" systemctl --quiet is-enabled ftpwatch
check "the service runs" systemctl --quiet is-active ftpwatch
check "it runs as its own user" pgrep --exact --uid ftpwatch ftpwatch
check "the program says its version" ftpwatch --version
check "doctor finds the host fit" ftpwatch doctor
check "the configuration is sound" ftpwatch config check
quiet "the unit is sound" systemd-analyze verify /usr/lib/systemd/system/ftpwatch.service
check "logrotate takes its configuration" logrotate --debug /etc/logrotate.d/ftpwatch
for page in ftpwatch ftpwatch-run ftpwatch-config-check; do
    quiet "man $page" sh -c "man --warnings $page 2>&1 >/dev/null"
done
quiet "bash takes its completions" bash -n /usr/share/bash-completion/completions/ftpwatch
check "no file is missing or other than packed" sh -c 'test -z "$(dpkg --verify ftpwatch)"'
check "a transfer works" transfer
wait_for "it is seen to connect" connected_is 1

# An endpoint in flight: advertised, and nothing connects while the packages change.
echo 'timeout = "60s"' >>/etc/ftpwatch/ftpwatch.toml
mkfifo /packages/go
client bash -c '
    exec 3<>/dev/tcp/10.0.0.1/21
    read -r _ <&3
    printf "USER anonymous\r\n" >&3; read -r _ <&3
    printf "PASS x@\r\n" >&3; read -r _ <&3
    printf "PASV\r\n" >&3; read -r line <&3
    echo "$line" >/packages/reply.part
    mv /packages/reply.part /packages/reply
    read -r _ </packages/go
    printf "QUIT\r\n" >&3; read -r _ <&3
' &
in_flight=$!
wait_for "an endpoint is advertised" test -e /packages/reply
port=$(sed 's/.*(\(.*\)).*/\1/' /packages/reply | { IFS=, read -r _ _ _ _ high low; echo $((high * 256 + low)); })
wait_for "it is in flight" sh -c "journalctl -u ftpwatch -o cat | grep advertised | grep -q '\"port\":$port}'"
before=$(systemctl show -P MainPID ftpwatch)

check "upgrade" apt install /packages/new.deb
check "the new version is installed" is "$(dpkg-query -W -f '${Version}' ftpwatch)" "$(dpkg-deb -f /packages/new.deb Version)"
check "the service runs after it" systemctl --quiet is-active ftpwatch
check "it was started anew" not is "$(systemctl show -P MainPID ftpwatch)" "$before"
check "a changed configuration is kept" grep -q 60s /etc/ftpwatch/ftpwatch.toml
check "a transfer works after it" transfer
wait_for "it is seen to connect after it" connected_is 2
echo >/packages/go
wait $in_flight
one_outcome() { [ "$(outcomes "$port")" = 1 ]; }
wait_for "the endpoint in flight has an outcome" one_outcome

systemctl disable --quiet --now ftpwatch >/packages/said 2>&1
check "the old version takes its place again" apt install --allow-downgrades /packages/old.deb
check "a disabled service stays off" not systemctl --quiet is-active ftpwatch
systemctl enable --quiet --now ftpwatch >/packages/said 2>&1
check "the service runs again" systemctl --quiet is-active ftpwatch

check "remove" apt remove ftpwatch
check "no process is left" not pgrep -x ftpwatch
check "the configuration stays" test -e /etc/ftpwatch/ftpwatch.toml
check "nothing is pinned" not test -e /sys/fs/bpf/ftpwatch
check "the endpoint in flight has one outcome" one_outcome
check "purge" apt purge ftpwatch
list >/packages/after
quiet "nothing is left behind" diff /packages/before /packages/after

# A host that cannot be watched: what this takes away is as if the kernel said no.
mkdir -p /etc/systemd/system/ftpwatch.service.d
printf '[Service]\nAmbientCapabilities=\nCapabilityBoundingSet=\n' >/etc/systemd/system/ftpwatch.service.d/unfit.conf
check "it installs where nothing can be watched" apt install /packages/old.deb
check "the service says so and is not tried again" is "$(systemctl show -P ExecMainStatus ftpwatch)" 3
check "it goes from there, too" apt purge ftpwatch
rm -r /etc/systemd/system/ftpwatch.service.d
list >/packages/after
quiet "nothing is left behind there, either" diff /packages/before /packages/after
echo ended

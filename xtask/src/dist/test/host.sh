# Copies the Debian in BASE, boots the copy, has guest.sh done there, and leaves nothing. Run as root.
# Usage: host.sh BASE WORK OLD.deb NEW.deb
set -eu
here=$(dirname "$0")
base=$1 work=$2 old=$3 new=$4
root=$work/root

init=
clean() {
    status=$?
    trap - EXIT INT TERM
    if [ -n "$init" ]; then
        # The first process of its namespaces: all others end with it, and the mounts with them.
        kill -KILL "$init" 2>/dev/null || true
        # Its parent has not taken note of it yet.
        while [ -d "/proc/$init" ] && ! grep -q '^State:.*Z' "/proc/$init/status" 2>/dev/null; do sleep 0.1; done
    fi
    rm -rf --one-file-system "$work"
    exit $status
}
trap clean EXIT
trap 'exit 1' INT TERM

rm -rf --one-file-system "$work"
mkdir -p "$work"
cp -a "$base" "$root"
mkdir "$root/packages"
cp "$old" "$root/packages/old.deb"
cp "$new" "$root/packages/new.deb"
cp "$here/guest.sh" "$root/packages/"
unshare --fork --pid --mount --uts --ipc --net --cgroup sh "$here/boot.sh" "$root" 2>"$work/boot.log" &
parent=$!

# The child of `unshare`, once it has become init and says that it is up.
enter() { nsenter --target "$init" --all --wdns=/ env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }
tries=0
until [ -n "$init" ] && grep -q '^systemd' "/proc/$init/comm" 2>/dev/null &&
    enter systemctl is-system-running --wait >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 300 ]; then
        echo "fails: systemd comes up"
        cat "$work/boot.log"
        exit 1
    fi
    sleep 0.2
    read -r init _ <"/proc/$parent/task/$parent/children" 2>/dev/null || true
done
enter sh /packages/guest.sh

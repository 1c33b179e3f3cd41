# Boots the Debian in ROOT: systemd, as the first process of namespaces of its own. Run as root, by `unshare`.
# Usage: boot.sh ROOT
set -eu
root=$1

# It is reached from here for as long as its mounts are shared with nobody.
mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t bpf bpf sys/fs/bpf
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/shm dev/pts
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
# What is not below it is not there: not by chroot alone, from which services could not be moved on.
pivot_root . mnt
cd /
umount -l /mnt
exec env -i container=ftpwatch-package-test PATH=/usr/sbin:/usr/bin:/sbin:/bin /sbin/init </dev/null >/dev/null 2>&1

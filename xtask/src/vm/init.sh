#!/bin/busybox sh
# The first process of the guest. A line of the report begins with "ftpwatch-vm".
export PATH=/bin:/sbin:/usr/bin:/usr/sbin NO_COLOR=1

busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev
busybox mount -t tmpfs tmp /tmp
busybox mount -t tmpfs run /run
ip link set lo up
. /vm.conf

# check NAME STATUS COMMAND…: it has to end with this status.
check() {
    name=$1 wanted=$2
    shift 2
    "$@"
    status=$?
    if [ "$status" = "$wanted" ]; then
        echo "ftpwatch-vm ok $name"
    else
        echo "ftpwatch-vm failed $name: status $status, not $wanted"
    fi
}

# says WORDS COMMAND…: these words are among what it says.
says() {
    words=$1
    shift
    "$@" 2>&1 | busybox grep -e "$words"
}

# tests PROGRAM WORDS…: those of its tests. That there is none of that name is no success.
tests() {
    program=$1
    shift
    "$program" --include-ignored --test-threads 1 "$@" | busybox tee /tmp/said
    busybox grep -q "^test result: ok. [1-9]" /tmp/said
}

if [ "$FIT" = yes ]; then
    check doctor 0 "$FTPWATCH" doctor
    check run 0 says "lo through $FIRST_HOOK" "$FTPWATCH" run -v -i lo --for 1s
    check verifier 0 tests "$KERNEL_TEST" --exact verifier_cost --nocapture
    check tls 0 tests "$OVERHEAR_TEST"
    for hook in $HOOKS; do
        for row in $ROWS; do
            check "$row::$hook" 0 tests "$FAULTS_TEST" "$row::$hook"
        done
    done
else
    check doctor 3 "$FTPWATCH" doctor
    check run 3 "$FTPWATCH" run -i lo --for 1s
    for command in doctor "run -i lo --for 1s"; do
        check "$command: says what is missing" 0 says "lacks .*$LACKS" "$FTPWATCH" $command
    done
fi
echo "ftpwatch-vm end"
busybox poweroff -f

#!/bin/sh
# After the packages and the overlay are in the root, before the units are enabled: takes out what Buildroot's packages
# bring along and the appliance must not have. What the overlay says is not said again here.
# Called as: post-build.sh TARGET
set -eu
target=$1

# The overlay has units of its own for these two, which start them only if they are configured.
rm -f "$target/usr/lib/systemd/system/dropbear.service" "$target/usr/lib/systemd/system/rsyslog.service"
# Where dropbear's own unit would have put host keys, and what rsyslog's would have read.
rm -rf "$target/etc/dropbear" "$target/etc/rsyslog.conf" "$target/etc/rsyslog.d"

# The clock of a board without one starts at the time of the build, not in 1970.
touch -d "@${SMSGATE_EPOCH:-${SOURCE_DATE_EPOCH:-$(date +%s)}}" "$target/usr/lib/clock-epoch"

# Places to mount on: nothing can make them later.
mkdir -p "$target/data" "$target/boot"

#!/bin/sh
# Just before the root becomes an image, with its final owners and permissions: nothing in it may lend its owner's
# rights. No account of the appliance needs su, mount or ping.
# Called as: post-fakeroot.sh TARGET
set -eu
find "$1" -xdev -type f -perm /6000 -exec chmod ug-s {} +

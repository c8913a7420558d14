#!/bin/sh
# Before genimage makes the card: the description of it, and the file that names the slot to boot.
# Called as: post-image.sh IMAGES -c IMAGES/genimage.cfg BOARD
set -eu
images=$1
config=$3
board=$4
here=$(dirname "$0")

cat "$here/../$board/genimage.cfg" "$here/partitions.cfg" >"$config"
cp "$here/../common/sgconfig.txt" "$here/sgboot.txt" "$here/boot_b.txt" "$images"

# One sector, whatever is in it, so that changing the slot overwrites one sector and nothing else.
size=512
autoboot=$images/autoboot.txt
cp "$here/autoboot.txt" "$autoboot"
missing=$((size - $(wc -c <"$autoboot")))
[ "$missing" -ge 0 ] || { echo "autoboot.txt has more than $size bytes" >&2; exit 1; }
head -c "$missing" /dev/zero | tr '\0' '\n' >>"$autoboot"

# Zeros that are there: a hole would be left out by tools that copy only what is mapped.
head -c 1048576 /dev/zero >"$images/data.img"

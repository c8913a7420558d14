#!/bin/sh
# Before genimage makes the disk: the description of it, and the boot loader's menu.
# Called as: post-image.sh IMAGES -c IMAGES/genimage.cfg BOARD
set -eu
images=$1
config=$3
board=$4
here=$(dirname "$0")

cat "$here/../$board/genimage.cfg" "$here/partitions.cfg" >"$config"
cp "$here/../common/sgconfig.txt" "$images"
install -m 644 "$here/../$board/grub.cfg" "$images/efi-part/EFI/BOOT/grub.cfg"

# Zeros that are there: a hole would be left out by tools that copy only what is mapped.
head -c 1048576 /dev/zero >"$images/data.img"

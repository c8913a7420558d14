# shellcheck shell=bash
# The test image's disk: the partitions of the product's GPT image, without its boot loader (QEMU is given kernel and
# initrd). Sourced by scripts/test-image.
# shellcheck disable=SC2154 # "work" is the caller's: a folder for what is not kept

# Larger than its partitions: the first boot finds room to grow DATA into.
disk_mib=768

make_disk() { # ROOT DISK
    local root=$1 disk=$2
    rm -f "$work/root.squashfs"
    mksquashfs "$root" "$work/root.squashfs" -quiet -no-progress -noappend -all-root -comp zstd -Xcompression-level 9 \
        -no-xattrs
    [ "$(stat -c %s "$work/root.squashfs")" -le $((256 << 20)) ] || fail "the root does not fit into its partition"
    truncate -s 40M "$work/config.fat"
    mkfs.vfat -F 32 -s 1 -n SGCONFIG "$work/config.fat" >/dev/null

    rm -f "$disk"
    truncate -s "${disk_mib}M" "$disk"
    # With 32 MiB a FAT32 would have fewer clusters than the type needs, and some systems would take it for a FAT16.
    # DATA keeps no file system, so that a box makes its own.
    sfdisk --quiet "$disk" <<END
label: gpt
unit: sectors
first-lba: 2048
start=1MiB,   size=64MiB,  type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=SGBOOT
start=65MiB,  size=256MiB, type=linux, name=ROOT_A
start=321MiB, size=256MiB, type=linux, name=ROOT_B
start=577MiB, size=40MiB,  type=EBD0A0A2-B9E5-4433-87C0-68B6D72699C7, name=SGCONFIG
start=617MiB, size=16MiB,  type=linux, name=DATA
END
    dd if="$work/root.squashfs" of="$disk" bs=1M seek=65 conv=notrunc,sparse status=none
    dd if="$work/config.fat" of="$disk" bs=1M seek=577 conv=notrunc,sparse status=none
}

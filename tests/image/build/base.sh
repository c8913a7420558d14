# shellcheck shell=bash
# What of the test image depends on Debian alone: root folder, kernel, initrd. Sourced by scripts/test-image, which keeps
# what comes out of it.
#
# No maintainer script is run and nothing of another processor's: what those scripts would have done is done here.

# shellcheck disable=SC2154 # "build" is the caller's: the folder of this file

# What comments and blank lines leave of a list.
entries() { sed 's/#.*//' "$build/$1" | tr ' ' '\n' | sed '/^$/d'; }

# Debian 12's sources as this machine has them configured, so that the image comes from the same mirror.
debian_sources() {
    # shellcheck disable=SC2016 # these are apt's names
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(CODENAME)|$(REPO_URI)' 'Created-By: Packages' |
        sed -n 's/^Debian|\(Debian\|Debian-Security\)|\(bookworm[a-z-]*\)|\(.*\)$/deb \3 \2 main/p' | sort -u
}

make_base() { # FOLDER DEBIAN-ARCHITECTURE
    local folder=$1 architecture=$2 sources
    mapfile -t sources < <(debian_sources)
    [ "${#sources[@]}" -gt 0 ] || fail "apt on this machine knows no mirror of Debian 12 (bookworm); add one to its sources"
    say "unpacking Debian's packages for $architecture"
    export SMSGATE_KERNEL="linux-image-$architecture"
    mmdebstrap --quiet --variant=extract --architectures="$architecture" --include="$(entries packages | paste -sd,)" \
        --extract-hook="$PWD/$build/fetch-kernel" bookworm "$folder/root.tar" "${sources[@]}"
    mkdir "$folder/root" "$folder/kernel"
    tar -x --no-same-owner -C "$folder/root" --exclude './dev/*' -f "$folder/root.tar"
    rm "$folder/root.tar"
    for package in "$folder"/root/kernel/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x --no-same-owner -C "$folder/kernel" ./boot ./lib
    done
    rm -r "$folder/root/kernel"
    prune "$folder/root"
    merge_usr "$folder/root"
    configure "$folder/root"
    add_kernel "$folder"
    make_initrd "$folder"
    rm -r "$folder/kernel"
}

# What nothing in an appliance reads.
prune() { # ROOT
    local share=$1/usr/share
    rm -rf "$share"/{bash-completion,bug,debconf,doc,doc-base,info,initramfs-tools,lintian,locale,man,menu,perl5,pixmaps} \
        "$share"/{polkit-1,zsh,zoneinfo/right,zoneinfo/posix} "$1"/usr/lib/*/{gconv,perl*} "$1"/{,usr/}lib/udev/hwdb.d \
        "$1"/{usr/,}bin/{dpkg,deb}* "$1"/usr/sbin/dpkg* "$1"/etc/{apt,dpkg,cron*,init.d,rc?.d,kernel,rsyslog.d,rsyslog.conf} \
        "$1"/usr/lib/{apt,dpkg} "$1"/etc/update-motd.d "${1:?}"/var/*
}

# What usrmerge does.
merge_usr() { # ROOT
    local name
    for name in bin sbin lib lib64; do
        if [ -L "$1/$name" ] || [ ! -d "$1/$name" ]; then continue; fi
        mkdir -p "$1/usr/$name"
        cp -a "$1/$name/." "$1/usr/$name/"
        rm -r "${1:?}/$name"
        ln -s "usr/$name" "$1/$name"
    done
}

# What the packages' scripts would have written, and what busybox is called by.
configure() { # ROOT
    local root=$1 applet
    mkdir -p "$root"/{boot,data,dev,etc/ssl/certs,home,mnt,proc,root,run,sys,tmp,var}
    # The names it knows, which differ from build to build, are words of their own in the program.
    tr '\0' '\n' <"$root/usr/bin/busybox" | grep -a '^[a-z0-9[]*$' | sort -u >"$root/tmp/applets"
    entries applets | while read -r applet; do
        grep -qxF -e "$applet" "$root/tmp/applets" || fail "this busybox has no $applet"
        [ -e "$root/usr/bin/$applet" ] || [ -e "$root/usr/sbin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"
    done
    rm "$root/tmp/applets"
    ln -sf ../lib/systemd/systemd "$root/usr/sbin/init"
    cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
    cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
    # udev's, which its rules name.
    printf '%s\n' 'input:x:990:' 'kvm:x:991:' 'render:x:992:' 'sgx:x:993:' >>"$root/etc/group"
    # No password fits, and no shell but busybox's is there.
    sed -i 's#^root:.*#root:x:0:0:root:/root:/bin/sh#; s#^\([^:]*\):\*:#\1:x:#' "$root/etc/passwd"
    sed 's/^\([^:]*\):.*/\1:!*:19000::::::/' "$root/etc/passwd" >"$root/etc/shadow"
    : >"$root/etc/gshadow"
    chmod 600 "$root/etc/shadow" "$root/etc/gshadow"
    : >"$root/etc/machine-id"
    ln -sf ../proc/self/mounts "$root/etc/mtab"
    ln -sf /run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
    ln -sf /usr/share/zoneinfo/UTC "$root/etc/localtime"
    cat "$root"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
    printf '%s: %s\n' passwd 'files systemd' group 'files systemd' shadow files \
        hosts 'files myhostname resolve [!UNAVAIL=return] dns' networks files protocols files services files \
        >"$root/etc/nsswitch.conf"
}

# The kernel, and those of its modules that are wanted.
add_kernel() { # FOLDER
    local kernel=$1/kernel root=$1/root version module
    version=$(cd "$kernel/lib/modules" && echo *)
    mv "$kernel"/boot/vmlinuz-* "$1/vmlinuz"
    depmod -b "$kernel" "$version"
    entries modules | grep -vx early | while read -r module; do
        modprobe -S "$version" -d "$kernel" --show-depends "$module" || fail "the kernel has no module $module"
    done | sed -n 's#^insmod [^ ]*/lib/modules/\([^ ]*\).*#lib/modules/\1#p' | sort -u >"$1/module-files"
    mkdir -p "$root/usr/lib/modules"
    tar -c -C "$kernel" -T "$1/module-files" | tar -x -C "$root/usr" --no-same-owner
    rm "$1/module-files"
    cp "$kernel/lib/modules/$version"/modules.{builtin,builtin.modinfo,order} "$root/usr/lib/modules/$version/"
    depmod -b "$root" "$version"
}

make_initrd() { # FOLDER
    local kernel=$1/kernel initrd=$1/kernel/initrd version module path
    version=$(cd "$kernel/lib/modules" && echo *)
    mkdir -p "$initrd"/{bin,dev,modules,proc,root,sys}
    cp "$1/root/usr/bin/busybox" "$initrd/bin/"
    for applet in cat grep insmod mount sed sh sleep switch_root; do ln -s busybox "$initrd/bin/$applet"; done
    cp "$build/init" "$initrd/init"
    sed -n 's/^early //p' "$build/modules" | while read -r module; do
        modprobe -S "$version" -d "$kernel" --show-depends "$module"
    done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' | while read -r path; do
        cp "$path" "$initrd/modules/"
        echo "${path##*/}"
    done >"$1/kernel/order"
    mv "$1/kernel/order" "$initrd/modules/order"
    (cd "$initrd" && find . | cpio --quiet -o -H newc -R 0:0) | gzip -9 >"$1/initrd"
}

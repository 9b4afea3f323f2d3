#!/bin/sh
# image-root: lays out the root file system of the image: what the named packages and their dependencies hold, and no
# more: no shell, no package manager, nothing set-uid. Runs in the Dockerfile, on the Debian whose files it copies.
#
#     image-root.sh FOLDER PACKAGE…
#
# Every package that anything was taken from stands in /var/lib/dpkg/status there, so that scanners see what they
# would see in a whole Debian. Left out of them: documentation (copyrights stay), translations, character set tables.
set -eu

root=$1
shift

# apt-cache prints packages at the beginning of a line, and what depends on what between them. debconf only asks questions
# at an installation. base-files says which Debian this is.
packages=$(apt-cache depends --recurse --installed --important "$@" | grep '^[a-z]' | grep -vx debconf | sort -u)
# shellcheck disable=SC2086 # words
set -- base-files $packages

install -d "$root/etc" "$root/var/lib/dpkg" "$root/run/secrets" "$root/etc/rxp-worker"
install -d -m 1777 "$root/tmp"

# Names without their first slash; a package's "/." is none. What an installation has removed since is not there.
for package in "$@"; do
    dpkg-query -L "$package"
done | sed -n 's|^/\([^.]\)|\1|p' | sort -u |
    grep -vE '^usr/share/(man|info|locale|lintian|base-files|common-licenses|ca-certificates)(/|$)' |
    grep -vE '^usr/lib/[^/]+/gconv(/|$)|^usr/s?bin/|^etc/(default|update-motd\.d|profile\.d|skel|dpkg)(/|$)' |
    grep -vE '^usr/share/doc/[^/]+/' |
    while read -r path; do
        if [ -e "/$path" ] || [ -L "/$path" ]; then printf '%s\n' "$path"; fi
    done >/tmp/image-files
for package in "$@"; do
    if [ -e "/usr/share/doc/$package/copyright" ]; then printf '%s\n' "usr/share/doc/$package/copyright"; fi
done >>/tmp/image-files
# What installation scripts made: the authorities, their hashes, and where OpenSSL looks for them.
printf '%s\n' etc/ssl usr/share/ca-certificates usr/lib/ssl >/tmp/image-folders
tar -C / --no-recursion -cf - -T /tmp/image-files | tar -C "$root" -xf -
tar -C / -cf - -T /tmp/image-folders | tar -C "$root" -xf -

for package in "$@"; do
    dpkg-query -s "$package"
    echo
done >"$root/var/lib/dpkg/status"

printf '%s\n' 'root:x:0:0:root:/:/nonexistent' 'rxp-worker:x:65532:65532::/:/nonexistent' \
    'nobody:x:65534:65534::/:/nonexistent' >"$root/etc/passwd"
printf '%s\n' 'root:x:0:' 'rxp-worker:x:65532:' 'nogroup:x:65534:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"

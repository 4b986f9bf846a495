# SPDX-License-Identifier: Apache-2.0
# What the process of a container finds around it, section by section, for inside.py to judge. /probe/* name what to look at.
section() { echo "== $1"; }
each() { [ -f /probe/$1 ] && while read -r item; do $2 "$item"; done </probe/$1; }

section cwd; env -i /bin/pwd 2>&1
section env; env
section args; tr '\0' '\n' </proc/$$/cmdline
section status; cat /proc/$$/status
section limits; cat /proc/$$/limits
section oom; cat /proc/$$/oom_score_adj
section uid_map; cat /proc/$$/uid_map
section gid_map; cat /proc/$$/gid_map
section hostname; hostname
section mounts; cat /proc/$$/mountinfo
section root; (: >/written) 2>/dev/null && rm /written && echo writable
section links
for link in /dev/fd /dev/ptmx /dev/stdin /dev/stdout /dev/stderr; do echo "$link $(readlink $link)"; done
device() { stat -L -c '%n|%F|%t|%T|%a|%u|%g' "$1" || echo "$1"; }
section devices
for path in null zero full random urandom tty ptmx; do device /dev/$path; done
each devices device
sysctl_value() { echo "$1=$(cat /proc/sys/$(echo $1 | tr . /))"; }
section sysctls; each sysctls sysctl_value
readable() {
    if [ -d "$1" ]; then found=$(ls -A "$1"); else [ -p "$1" ] || found=$(head -c 1 "$1" | tr '\0' 0); fi 2>/dev/null
    echo "$1 ${found:+readable}"; found=
}
section masked; each masked readable
writable() {
    if [ -d "$1" ]; then (: >"$1/written") 2>/dev/null
    else [ -e "$1" ] && [ ! -p "$1" ] && (echo a 1<>"$1") 2>/dev/null; fi && echo "$1 writable" || echo "$1"
}
section readonly; each readonly writable
section propagation
if [ -d /probe/propagation ]; then
    mkdir /target /mount /test && touch /test/file
    mount --rbind / /target 2>/dev/null && echo bound
    mount --bind /test /mount && [ -f /target/mount/file ] && echo exposed
fi
section end

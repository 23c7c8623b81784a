#!/bin/bash
# Runs a command in a private D-Bus session with a real gnome-keyring:
#
#     with-keyring.sh DIR PASSWORD COMMAND...
#
# DIR becomes home and runtime directory and keeps the keyring from one run to the next, so that a second
# run is a second login. PASSWORD unlocks the keyring, or makes it at the first run; without a password it
# stays locked. There is no display, so that nobody can answer a prompt. The command can call `daemon`
# from bash to learn the process id of the service.
set -eu
export dir=$1 password=$2
shift 2

mkdir -p "$dir/home" "$dir/run"
chmod 700 "$dir/run"
export HOME=$dir/home XDG_RUNTIME_DIR=$dir/run
unset DBUS_SESSION_BUS_ADDRESS DISPLAY WAYLAND_DISPLAY
unset XDG_CACHE_HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_DATA_DIRS XDG_STATE_HOME

daemon() {
    dbus-send --session --dest=org.freedesktop.DBus --print-reply=literal /org/freedesktop/DBus \
        org.freedesktop.DBus.GetConnectionUnixProcessID string:org.freedesktop.secrets 2>/dev/null |
        sed 's/.*uint32 //'
}

# The bus starts the service on demand, and a service started so outlives dbus-run-session: it is ended
# here by its process id, also where the command has stopped it.
inside() {
    if [ -n "$password" ]; then
        # Says nothing about a wrong password: the keyring just stays locked.
        printf %s "$password" | gnome-keyring-daemon --unlock --components=secrets >"$dir/daemon.log" 2>&1
        # It is back before its name is on the bus, without which a short command would leave it behind.
        for _ in $(seq 200); do
            [ -z "$(daemon)" ] || break
            sleep 0.02
        done
    fi
    status=0
    "$@" || status=$?
    service=$(daemon)
    if [ -n "$service" ]; then
        kill -CONT "$service"
        kill "$service"
    fi
    exit "$status"
}

export -f daemon inside
exec dbus-run-session -- bash -c 'inside "$@"' inside "$@"

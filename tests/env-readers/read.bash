# Prints what a clean bash has in its environment after it read the file "$1", each variable ended by a NUL.
# No program can be found, so that a line that runs one does nothing.
exec </dev/null 2>/dev/null
PATH=/nonexistent
trap '/usr/bin/env -0' EXIT
set -a
. "$1" >/dev/null

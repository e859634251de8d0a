#!/bin/sh
# as_root.sh COMMAND...: network namespaces need root. Where there is none, sudo without a password; where
# that is not either, it says so and fails.
set -eu
[ "$(id -u)" = 0 ] && exec "$@"
exec sudo -n --preserve-env=MYELIN_BIN,MYELIN_TOOLS,MYELIN_QUICK_KEYSTORE,PYTHONDONTWRITEBYTECODE "$@"

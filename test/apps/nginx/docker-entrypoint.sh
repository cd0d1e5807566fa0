#!/bin/sh
set -e
for script in $(find /docker-entrypoint.d -follow -type f -print | sort -V); do
  if [ -x "$script" ]; then
    echo >&2 "$0: running $script"
    "$script"
  else
    echo >&2 "$0: ignoring $script, not executable"
  fi
done
exec "$@"

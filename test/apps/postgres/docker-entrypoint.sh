#!/usr/bin/env bash
set -Eeuo pipefail
if [ "$1" = 'postgres' ] && [ "$(id -u)" = '0' ]; then
	chmod 00700 "$PGDATA"
	find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
	exec setpriv --reuid=postgres --regid=postgres --init-groups "$BASH_SOURCE" "$@"
fi
if [ "$1" = 'postgres' ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
	: "${POSTGRES_PASSWORD:?Error: Database is uninitialized and superuser password is not specified}"
	initdb --username=postgres --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --auth-host=scram-sha-256
	printf '\nhost all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
	pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p 5432" -w start
	for f in /docker-entrypoint-initdb.d/*.sql; do
		psql -v ON_ERROR_STOP=1 --username postgres --no-password -f "$f"
	done
	pg_ctl -D "$PGDATA" -m fast -w stop
	printf '\n%s\n\n' 'PostgreSQL init process complete; ready for start up.'
fi
exec "$@"

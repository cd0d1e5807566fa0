/** Images of real services and languages, made of Debian's packages, that behave like those Docker's users know by these names. */

export interface Recipe {
  /** Shell script that runs as root in a Debian container; it installs and configures. */
  readonly script: string;
  /** `--change` instructions for the commit. */
  readonly changes: readonly string[];
}

const INSTALL = 'DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends';
const CLEAN = 'apt-get clean; rm -rf /var/lib/apt/lists/*';

const NGINX_SITE = `server {
    listen 80;
    server_name localhost;
    location / {
        root /usr/share/nginx/html;
        index index.html index.htm;
    }
}
`;

const POSTGRES_ENTRYPOINT = `#!/bin/sh
# Makes the database on the first start, as the data folder is empty then; starts the server.
set -e
case "\${1:-}" in -*) set -- postgres "$@" ;; esac
if [ "\${1:-}" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA"
  user=\${POSTGRES_USER:-postgres}
  database=\${POSTGRES_DB:-$user}
  if [ -n "\${POSTGRES_PASSWORD:-}" ]; then
    method=scram-sha-256
    secret=$(mktemp)
    printf '%s\\n' "$POSTGRES_PASSWORD" >"$secret"
    initdb -D "$PGDATA" -U "$user" --pwfile="$secret" -A trust -E UTF8 --locale=C.UTF-8
    rm -f "$secret"
  else
    method=trust
    echo 'no POSTGRES_PASSWORD: everyone who reaches the server may log in' >&2
    initdb -D "$PGDATA" -U "$user" -A trust -E UTF8 --locale=C.UTF-8
  fi
  echo "host all all all $method" >>"$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
  if [ "$database" != postgres ]; then
    pg_ctl -D "$PGDATA" -w -o "-c listen_addresses=''" start
    psql -U "$user" -d postgres -v ON_ERROR_STOP=1 -v name="$database" <<'SQL'
CREATE DATABASE :"name";
SQL
    pg_ctl -D "$PGDATA" -w -m fast stop
  fi
fi
exec "$@"
`;

export const RECIPES = {
  nginx: {
    script: [
      'apt-get update -q',
      `${INSTALL} nginx-light`,
      'rm -f /etc/nginx/sites-enabled/default',
      writeFile('/etc/nginx/conf.d/default.conf', NGINX_SITE),
      'ln -sf /dev/stdout /var/log/nginx/access.log',
      'ln -sf /dev/stderr /var/log/nginx/error.log',
      CLEAN,
    ].join('\n'),
    changes: ['CMD ["nginx","-g","daemon off;"]', 'EXPOSE 80', 'STOPSIGNAL SIGQUIT'],
  },
  postgres: {
    script: [
      'apt-get update -q',
      // Without this file's line, installing the server makes a cluster of its own.
      'mkdir -p /etc/postgresql-common',
      "echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf",
      `${INSTALL} -o Dpkg::Options::=--force-confold postgresql-15`,
      writeFile('/usr/local/bin/docker-entrypoint.sh', POSTGRES_ENTRYPOINT),
      'chmod 755 /usr/local/bin/docker-entrypoint.sh',
      'install -d -o postgres -g postgres -m 700 /var/lib/postgresql/data',
      'install -d -o postgres -g postgres -m 2775 /var/run/postgresql',
      CLEAN,
    ].join('\n'),
    changes: [
      'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/15/bin',
      'ENV PGDATA=/var/lib/postgresql/data',
      'ENV LANG=C.UTF-8',
      'USER postgres',
      'VOLUME /var/lib/postgresql/data',
      'EXPOSE 5432',
      'STOPSIGNAL SIGINT',
      'ENTRYPOINT ["docker-entrypoint.sh"]',
      'CMD ["postgres"]',
    ],
  },
  redis: {
    script: [
      'apt-get update -q',
      `${INSTALL} redis-server`,
      'install -d -o redis -g redis -m 755 /data',
      CLEAN,
    ].join('\n'),
    changes: [
      'USER redis',
      'WORKDIR /data',
      'VOLUME /data',
      'EXPOSE 6379',
      'CMD ["redis-server","--protected-mode","no","--bind","0.0.0.0"]',
    ],
  },
  node: {
    script: ['apt-get update -q', `${INSTALL} nodejs`, 'useradd -m -u 1000 node', CLEAN].join('\n'),
    changes: ['CMD ["node"]'],
  },
  python: {
    script: [
      'apt-get update -q',
      // With the driver of Postgres: what a program behind a web server most often talks to.
      `${INSTALL} python3 python3-venv python3-psycopg2`,
      'ln -s /usr/bin/python3 /usr/local/bin/python',
      CLEAN,
    ].join('\n'),
    changes: ['CMD ["python3"]'],
  },
  golang: {
    script: ['apt-get update -q', `${INSTALL} golang-go`, CLEAN].join('\n'),
    changes: ['ENV GOPATH=/go', 'WORKDIR /go', 'CMD ["bash"]'],
  },
  // Debian that has the packages of Dockerfiles at hand: apt-get in it needs no network.
  debs: {
    script: [
      'apt-get update -q',
      'mkdir /opt/debs',
      `${INSTALL} --download-only -o Dir::Cache::archives=/opt/debs nginx-light postgresql-15 redis-server`,
      `${INSTALL} apt-utils`,
      'cd /opt/debs',
      'rm -rf lock partial',
      'apt-ftparchive packages . >Packages',
      'apt-ftparchive release . >Release',
      'apt-get purge -q -y --auto-remove apt-utils',
      "echo 'deb [trusted=yes] file:/opt/debs ./' >/etc/apt/sources.list",
      CLEAN,
    ].join('\n'),
    changes: ['CMD ["bash"]'],
  },
} as const satisfies Record<string, Recipe>;

export type AppName = keyof typeof RECIPES;

/** Shell for writing a text: a quoted here-document, so that nothing in it is expanded. */
function writeFile(path: string, text: string): string {
  return `cat >${path} <<'END_OF_FILE'\n${text}END_OF_FILE`;
}

/** The same commands of Debian 13's docker-compose against Tare and against Debian's dockerd: the same words. */
import { expect, test } from 'bun:test';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dockerPlugin } from '../../scripts/images/docker-plugin.ts';
import { messageOf } from '../../src/base/errors.ts';
import { busyboxTar } from '../support/busybox-image.ts';
import { run } from '../support/command.ts';
import { dockerCli, startDaemon } from '../support/daemon.ts';
import { Dockerd } from '../support/dockerd.ts';

const plugin = await dockerPlugin('docker-compose').catch((error: unknown) => {
  console.error(`docker-compose is not tested: its package cannot be fetched: ${messageOf(error)}`);
  return undefined;
});

const CHECK = 'interval: 300ms, timeout: 5s, retries: 50';
const FILE = `
name: shop
services:
  db:
    image: busybox
    init: true
    command: sh -c 'echo rows > /data/index.html; echo db is up; exec httpd -f -p 5432 -h /data'
    volumes: ["data:/data"]
    networks: { back: { aliases: [database] } }
    healthcheck: { test: wget -q -O /dev/null http://127.0.0.1:5432/, ${CHECK} }
  web:
    image: busybox
    init: true
    command: sh -c 'mkdir -p /w && wget -q -O /w/index.html http://database:5432/ && echo $$MODE > /w/mode && exec httpd -f -p 80 -h /w'
    environment: { MODE: "\${MODE:-production}" }
    depends_on: { db: { condition: service_healthy } }
    networks: [front, back]
    ports: ["8080:80"]
  job:
    image: busybox
    command: sh -c 'echo job done; exit 3'
    profiles: [extra]
    networks: [front]
  worker:
    image: busybox
    command: sh -c 'trap "exit 0" TERM; while :; do sleep 0.1; done'
    profiles: [extra]
    networks: { front: { aliases: [pool] } }
volumes: { data: {} }
networks: { front: {}, back: { internal: true } }
`;

/** Commands in their order; each with its standard input, if any. */
const COMMANDS: readonly string[][] = [
  ['up', '-d', '--wait'],
  ['ps', '-a', '--format', '{{.Service}} {{.Name}} {{.State}} {{.Health}} {{.ExitCode}} {{.Ports}}'],
  ['ls'],
  ['images'],
  ['logs', '--no-color'],
  ['logs', '--no-color', '--tail', '1', 'db'],
  ['exec', '-T', 'web', 'wget', '-q', '-O', '-', 'http://db:5432/'],
  ['exec', '-T', '-e', 'A=b', '-w', '/tmp', 'web', 'sh', '-c', 'echo $A $PWD $MODE; exit 3'],
  ['exec', '-T', 'worker', 'true'],
  ['port', 'web', '80'],
  ['port', 'web', '81'],
  ['cp', 'note', 'db:/data/note'],
  ['cp', 'db:/data/note', 'back'],
  ['cp', 'db:/nope', '.'],
  ['pause', 'web'],
  ['ps', '-a', '--format', '{{.Service}} {{.State}}'],
  ['exec', '-T', 'web', 'true'],
  ['unpause', 'web'],
  ['restart', '-t', '5', 'db'],
  ['stop', 'web'],
  ['ps', '-a', '--format', '{{.Service}} {{.State}} {{.ExitCode}}'],
  ['start', 'web'],
  ['kill', '-s', 'KILL', 'web'],
  ['ps', '-a', '--format', '{{.Service}} {{.State}} {{.ExitCode}}', 'web'],
  ['up', '-d', '--wait'],
  ['--profile', 'extra', 'up', '-d', '--scale', 'worker=3', 'worker'],
  ['--profile', 'extra', 'scale', 'worker=1'],
  ['--profile', 'extra', 'up', 'job'],
  ['--profile', 'extra', 'run', '--rm', '-T', '--no-deps', 'worker', 'sh', '-c', 'echo once; exit 4'],
  ['--profile', 'extra', 'ps', '-a', '--format', '{{.Service}} {{.State}} {{.ExitCode}}'],
  ['-f', 'changed.yaml', 'up', '-d', '--wait'],
  ['exec', '-T', 'web', 'cat', '/w/mode'],
  ['volumes'],
  ['rm', '-f', '-s', 'web'],
  ['--profile', 'extra', 'down', '-v'],
  ['ps', '-a'],
  ['down'],
];

/** All that a command says, without ids and times; progress of things side by side comes in any order. */
async function transcript(env: Record<string, string>, folder: string): Promise<string[]> {
  mkdirSync(folder);
  writeFileSync(join(folder, 'compose.yaml'), FILE);
  writeFileSync(join(folder, 'changed.yaml'), FILE.replace('production', 'testing'));
  writeFileSync(join(folder, 'note'), 'copied');
  const plugins = join(env.DOCKER_CONFIG!, 'cli-plugins');
  mkdirSync(plugins, { recursive: true });
  symlinkSync(plugin!, join(plugins, 'docker-compose'));
  const said: string[] = [];
  for (const args of COMMANDS) {
    const argv = [dockerCli(), 'compose', ...args];
    const { code, stdout, stderr } = await run(argv, { env, cwd: folder, timeout: 120_000 });
    said.push(`$ ${args.join(' ')}`, ...plain(stdout, folder), ...plain(stderr, folder), `= ${code}`);
  }
  return said;
}

function plain(text: string, folder: string): string[] {
  return Bun.stripANSI(text)
    .replaceAll(folder, 'FOLDER')
    .replace(/\b[0-9a-f]{64}\b/g, 'ID')
    .replace(/\b[0-9a-f]{12}\b/g, 'ID')
    .replace(/ +/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .toSorted();
}

test.skipIf(plugin === undefined)(
  'docker-compose says the same of both',
  async () => {
    await using daemon = await startDaemon({ isolated: true });
    await using peer = await Dockerd.start();
    await peer.ok(['import', '-c', 'CMD ["sh"]', await busyboxTar(), 'busybox:latest']);
    const [ours, theirs] = [
      await transcript(daemon.env(), join(daemon.root, 'shop')),
      await transcript(peer.env, join(peer.root, 'shop')),
    ];
    expect(ours).toEqual(theirs);
  },
  300_000,
);
